"""Layers and graphs from plain values, as `get_config` gives them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

from tinyconv import registry
from tinyconv.layers.base import Layer
from tinyconv.layers.symbolic import SymbolicTensor

Custom = Mapping[str, Any] | None
_Place = tuple[str, int, int]  # layer, number of the call, number of the output


def entry(layer: Layer) -> dict[str, Any]:
    """{"class_name", "name", "config"} of a layer or a model."""
    return {
        "class_name": type(layer).__name__,
        "name": layer.name,
        "config": layer.get_config(),
    }


def layer_from(entry: Mapping[str, Any], custom_objects: Custom = None) -> Layer:
    """A new layer or model, without the weights.

    Args:
        entry: {"class_name", "config"}.
        custom_objects: classes of your own by name.

    Raises:
        ValueError: for a class that is not known.
    """
    cls = _class(entry["class_name"], custom_objects)
    config = dict(entry["config"])
    if hasattr(cls, "graph"):  # a model, whose layers may be custom ones
        made: Layer = cls.from_config(config, custom_objects)
    else:
        made = cls.from_config(config)
    return made


def _class(name: str, custom_objects: Custom) -> Any:
    from tinyconv import layers, models

    if custom_objects and name in custom_objects:
        return custom_objects[name]
    known = {
        key: value
        for module in (layers, models)
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Layer) and value is not Layer
    }
    if name == "Lambda":
        raise ValueError(
            "a Lambda layer is code inside a file, and code from files is never run. Write a "
            "Layer with forward and backward instead, and pass it in custom_objects"
        )
    if name not in known:
        raise ValueError(
            f"unknown layer class {name!r}.{registry.suggest(name, known)} A class of your own "
            f"must be passed: custom_objects={{{name!r}: {name}}}"
        )
    return known[name]


def redraw(
    values: Mapping[str, Any], custom_objects: Custom = None
) -> tuple[list[SymbolicTensor], list[SymbolicTensor]]:
    """Inputs and outputs of a graph drawn from a `Functional`'s config.

    Raises:
        ValueError: for calls that refer to nothing, or to each other in a circle.
    """
    made = {
        entry.get("name", entry["config"].get("name")): layer_from(entry, custom_objects)
        for entry in values["layers"]
    }
    if len(made) < len(values["layers"]):
        raise ValueError("the graph has two layers of one name")
    tensors: dict[_Place, SymbolicTensor] = {}
    ready: deque[_Call] = deque()
    for entry in values["layers"]:
        name = entry.get("name", entry["config"].get("name"))
        if not entry["inbound_nodes"]:
            tensors[name, 0, 0] = made[name].output
        ready += [_Call(name, number, call) for number, call in enumerate(entry["inbound_nodes"])]
    blocked: defaultdict[_Place, list[_Call]] = defaultdict(list)  # by what they wait for
    while ready:
        call = ready.popleft()
        wanted = next((place for place in call.needs if place not in tensors), None)
        if wanted is not None:
            blocked[wanted].append(call)
            continue
        taken = [tensors[place] for place in call.places]
        listed = call.values.get("listed", len(taken) > 1)
        layer = made[call.name]
        layer(taken if listed else taken[0], training=call.values.get("training"))
        for tensor in layer.nodes[-1].outputs:
            place = call.name, call.number, tensor.index
            tensors[place] = tensor
            ready += blocked.pop(place, ())
    if blocked:
        names = sorted({call.name for calls in blocked.values() for call in calls})
        raise ValueError(
            "the graph goes round in a circle, or refers to a layer that is not there: "
            f"{', '.join(names)} can't be connected"
        )
    try:
        return tuple(  # type: ignore[return-value]
            [tensors[_place(place)] for place in values[key]]
            for key in ("input_layers", "output_layers")
        )
    except KeyError as missing:
        raise ValueError(f"the graph has no output {missing} of a layer") from None


class _Call:
    """One call of a layer, and what must be there before it: its inputs and the call before."""

    def __init__(self, name: str, number: int, values: Mapping[str, Any]) -> None:
        self.name, self.number, self.values = name, number, values
        self.places = [_place(place) for place in values["inputs"]]
        before = [(name, number - 1, 0)] if number else []
        self.needs = iter([*self.places, *before])  # gone through once: what is there stays


def _place(place: Any) -> _Place:
    name, node, index = place
    return str(name), int(node), int(index)
