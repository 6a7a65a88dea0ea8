"""What a picture of a model shows: boxes for layers, edges, frames for nested models."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from tinyconv import layers as kinds
from tinyconv.models import Model

if TYPE_CHECKING:
    from tinyconv.layers.base import Layer
    from tinyconv.layers.symbolic import Node, SymbolicTensor

_WIDTH = 44  # characters of a line beyond which shapes are wrapped

# Quiet fills, dark enough at the rim to be told apart: (classes, fill, rim).
_COLOURS: tuple[tuple[tuple[type, ...], str, str], ...] = (
    ((kinds.InputLayer,), "#ffffff", "#8a93a3"),
    ((kinds.Conv2D,), "#dfeafb", "#5b8bd0"),
    (
        (
            kinds.MaxPooling2D,
            kinds.AveragePooling2D,
            kinds.GlobalAveragePooling2D,
            kinds.GlobalMaxPooling2D,
        ),
        "#e0f2ec",
        "#55a58c",
    ),
    ((kinds.BatchNormalization, kinds.Rescaling), "#f2eafa", "#9a7cc4"),
    ((kinds.Dense,), "#fdebd7", "#d69549"),
    ((kinds.Add, kinds.Concatenate), "#fbe3e8", "#cf6f86"),
    ((kinds.Activation, kinds.ReLU, kinds.Softmax), "#fbf5d3", "#bfa63c"),
)
_OTHER = "#eef0f3", "#9aa2b1"
_NESTED = "#e3eef0", "#5f8f99"


class Details(NamedTuple):
    """What is written into the boxes; Keras' arguments."""

    show_shapes: bool = False
    show_dtype: bool = False
    show_layer_names: bool = False
    show_layer_activations: bool = False
    show_trainable: bool = False


class Box(NamedTuple):
    """A layer.

    Attributes:
        title: its class.
        lines: what is told about it.
        colours: of the inside and of the rim.
    """

    title: str
    lines: list[str]
    colours: tuple[str, str]


class Diagram(NamedTuple):
    """A model.

    Attributes:
        title: its name.
        items: boxes, and diagrams of nested models that are shown from inside.
        edges: (item, number of its output, item, number of its input).
        entries: for each input of the model, the (item, number of its input) that take it.
        exits: for each output of the model, the (item, number of its output) that makes it.
    """

    title: str
    items: list[Box | Diagram]
    edges: list[tuple[int, int, int, int]]
    entries: list[list[tuple[int, int]]]
    exits: list[tuple[int, int]]


def diagram(model: Model, details: Details, expand_nested: bool, inside: bool = False) -> Diagram:
    """Describe a model that is built; a layer that is called twice is one box.

    Args:
        model: whose layers to show.
        details: what to tell about them.
        expand_nested: whether models inside it are diagrams, or boxes like any layer.
        inside: whether it is such a model; the input of a chain then has no box of its own.
    """
    calls = [*([] if inside and _is_chain(model) else _inputs(model)), *model.calls]
    layers = list({id(node.layer): node.layer for node in calls}.values())
    number = {id(layer): item for item, layer in enumerate(layers)}
    items: list[Box | Diagram] = [
        diagram(layer, details, expand_nested, inside=True)
        if expand_nested and _is_model(layer)
        else _box(layer, [node for node in calls if node.layer is layer], details)
        for layer in layers
    ]
    made = {
        id(tensor): (number[id(node.layer)], tensor.index)
        for node in calls
        for tensor in node.outputs
    }

    def ends(item: int, port: int) -> tuple[int, int]:
        """The ports of a box are one and the same place."""
        return (item, port) if isinstance(items[item], Diagram) else (item, 0)

    edges: dict[tuple[int, int, int, int], None] = {}
    taken: dict[int, dict[tuple[int, int], None]] = {id(tensor): {} for tensor in model.inputs}
    for node in calls:
        for port, tensor in enumerate(node.inputs):
            end = ends(number[id(node.layer)], port)
            if id(tensor) in made:
                edges[(*ends(*made[id(tensor)]), *end)] = None
            else:
                taken[id(tensor)][end] = None
    for tensor in model.inputs:
        if id(tensor) in made:
            taken[id(tensor)][ends(*made[id(tensor)])] = None
    exits = [ends(*made[id(tensor)]) for tensor in model.outputs]
    return Diagram(
        model.name, items, list(edges), [list(taken[id(x)]) for x in model.inputs], exits
    )


def _inputs(model: Model) -> list[Node]:
    return [tensor.node for tensor in model.inputs]


def _is_model(layer: Any) -> bool:
    return isinstance(layer, Model) and bool(layer.calls)


def _is_chain(model: Model) -> bool:
    """Whether it is a Sequential: its input is no layer of it."""
    return not any(node.layer is layer for node in _inputs(model) for layer in model.layers)


# ---- boxes ----------------------------------------------------------------------


def _box(layer: Layer, calls: list[Node], details: Details) -> Box:
    """A layer with what its calls in this model tell."""
    lines = []
    if details.show_layer_names:
        lines.append(layer.name)
    if details.show_layer_activations and "activation" in layer.config_keys:
        lines.append(layer.activation.name)
    if details.show_shapes:
        lines.extend(_shapes(calls))
    if details.show_dtype:
        lines.append(", ".join(_unique(tensor.dtype for node in calls for tensor in node.outputs)))
    if details.show_trainable and layer.weights:
        lines.append("trainable" if layer.trainable else "frozen")
    return Box(type(layer).__name__, lines, _colours(layer))


def _shapes(calls: list[Node]) -> list[str]:
    """What goes in and what comes out: on one line where that is one shape each."""
    taken = _listed([node.inputs for node in calls])
    made = _listed([node.outputs for node in calls])
    if not taken:
        return made
    if len(taken) == len(made) == 1 and len(taken[0]) + len(made[0]) <= _WIDTH:
        return [f"{taken[0]} → {made[0]}"]
    return [
        line
        for word, shapes in (("in", taken), ("out", made))
        for line in textwrap.wrap(
            f"{word}\u00a0{', '.join(shape.replace(' ', chr(0xA0)) for shape in shapes)}", _WIDTH
        )
    ]


def _listed(tensors: list[list[SymbolicTensor]]) -> list[str]:
    """The shapes of a call; of several calls those that differ."""
    shapes = [str(tensor.shape) for each in tensors for tensor in each]
    return shapes if len(tensors) == 1 else _unique(shapes)


def _unique(words: Iterator[str] | list[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _colours(layer: Layer) -> tuple[str, str]:
    for classes, fill, rim in _COLOURS:
        if isinstance(layer, classes):
            return fill, rim
    return _NESTED if _is_model(layer) else _OTHER
