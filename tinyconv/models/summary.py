"""The table that `model.summary()` prints: Keras' columns and numbers."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from tinyconv.layers.base import Layer
    from tinyconv.layers.symbolic import Node
    from tinyconv.layers.variable import Variable
    from tinyconv.models.model import Model

# Title of a column, its alignment, and where it ends as a share of the width.
_Column = tuple[str, Literal["left", "center", "right"], float]
_CHAIN: tuple[int, list[_Column]] = (
    88,
    [("Layer (type)", "left", 0.45), ("Output Shape", "left", 0.80), ("Param #", "right", 1.0)],
)
_GRAPH: tuple[int, list[_Column]] = (
    108,
    [
        ("Layer (type)", "left", 0.3),
        ("Output Shape", "left", 0.56),
        ("Param #", "right", 0.74),
        ("Connected to", "left", 1.0),
    ],
)
_TRAINABLE_WIDTH, _TRAINABLE_SHARE = 12, 0.10


def summary_text(
    model: Model,
    line_length: int | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
) -> str:
    """The summary as text, `line_length` characters wide (as Keras, or what the terminal has).

    A model that is more than a chain of layers has a column that says what each layer takes:
    `add[0][1]` is output 1 of the first call of the layer `add`.

    Raises:
        ValueError: while the shape of the input is unknown.
    """
    from rich.console import Console
    from rich.table import Table

    if not model.built:
        raise ValueError(
            f"{model!r}: the shape of the input is not known yet. Start with an Input, give the "
            "first layer input_shape=, call build(input_shape), or fit the model first"
        )
    chain = _is_chain(model)
    wanted, columns = _CHAIN if chain else _GRAPH
    if show_trainable:
        wanted += _TRAINABLE_WIDTH
        columns = [
            *((title, side, end * (1 - _TRAINABLE_SHARE)) for title, side, end in columns),
            ("Trainable", "center", 1.0),
        ]
    width = line_length or min(wanted, shutil.get_terminal_size().columns - 4)
    table = Table(width=width, show_lines=True)
    start = 0
    for title, side, end in columns:
        table.add_column(title, width=int(end * width) - start, justify=side)
        start = int(end * width)
    for layer, level in _rows(model.layers, expand_nested):
        prefix = "   " * level + "└ " if level else ""
        row = [f"{prefix}{layer.name} ({type(layer).__name__})", _output_shape(model, layer)]
        row.append(f"{layer.count_params():,}")
        if not chain:
            row.append(_connections(model, layer))
        if show_trainable:
            row.append(("Y" if layer.trainable else "N") if layer.weights else "-")
        table.add_row(*row)
    console = Console(width=max(width, 40), color_system=None, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(f'Model: "{model.name}"')
        console.print(table)
        for line in _totals(model):
            console.print(line)
    return capture.get().rstrip("\n")


def _is_chain(model: Model) -> bool:
    """Whether each layer is called once, on what the one before it gave."""
    at = [id(tensor) for tensor in model.inputs]
    if len(at) > 1 or len(model.outputs) > 1:
        return False
    for node in model.calls:
        if [id(tensor) for tensor in node.inputs] != at:
            return False
        at = [id(tensor) for tensor in node.outputs]
    return len({id(node.layer) for node in model.calls}) == len(model.calls)


def _rows(layers: Iterable[Any], nested: bool, level: int = 0) -> Iterator[tuple[Any, int]]:
    """Each layer and how deep inside nested models it lies."""
    for layer in layers:
        yield layer, level
        if nested and hasattr(layer, "layers"):
            yield from _rows(layer.layers, nested, level + 1)


def _calls(model: Model, layer: Layer) -> list[Node]:
    """Those of a layer in this model: it may be part of others, too."""
    inside = {id(node) for node in model.calls}
    return [node for node in layer.nodes if id(node) in inside]


def _output_shape(model: Model, layer: Layer) -> str:
    """Of its last call; a list where that gave several."""
    node = (_calls(model, layer) or layer.nodes)[-1]
    shapes = [str(tensor.shape) for tensor in node.outputs]
    return shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"


def _connections(model: Model, layer: Layer) -> str:
    """What the calls of a layer in this model take."""
    places = [tensor.place for node in _calls(model, layer) for tensor in node.inputs]
    return ", ".join(f"{name}[{call}][{output}]" for name, call, output in places) or "-"


def _totals(model: Model) -> list[str]:
    """Numbers of parameters with the memory they take.

    Keras counts the optimizer's values into the total once they exist: its slots, the
    step number (8 bytes) and the learning rate (4). The slots are those of what was trained,
    whatever has been frozen or unfrozen since.
    """
    trainable, frozen = _size(model.trainable_weights), _size(model.non_trainable_weights)
    sizes = {"Trainable": trainable, "Non-trainable": frozen}
    if model.optimizer is not None and model.optimizer.iterations:
        slots, trained = len(model.optimizer.slot_names()), trainable
        if (buffer := model._buffer) is not None:
            trained = buffer.count, buffer.count * buffer.values.itemsize
        sizes["Optimizer"] = (slots * trained[0] + 2, slots * trained[1] + 8 + 4)
    count, size = (sum(column) for column in zip(*sizes.values(), strict=True))
    sizes = {"Total": (count, size), **sizes}
    return [f" {title} params: {n:,} ({_readable(b)})" for title, (n, b) in sizes.items()]


def _size(variables: list[Variable]) -> tuple[int, int]:
    """(number of values, bytes)."""
    counts = [int(np.prod(variable.shape)) for variable in variables]
    items = [np.dtype(variable.dtype).itemsize for variable in variables]
    return sum(counts), sum(n * item for n, item in zip(counts, items, strict=True))


def _readable(size: float) -> str:
    """1.61 MB."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"
