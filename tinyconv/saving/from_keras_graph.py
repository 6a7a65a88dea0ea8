"""The calls of layers in a functional model, as Keras 3 and as Keras 2 write them.

Keras 3   {"args": [{"class_name": "__keras_tensor__",
                     "config": {"keras_history": ["input", 0, 0], ...}}], "kwargs": {}}
Keras 2   [["input", 0, 0, {}]]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Place = list[Any]  # [layer, number of the call, number of the output]
_MODELS = ("Functional", "Model", "Sequential")


def functional(
    values: Mapping[str, Any], layer_entry: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """The plain config of a functional model; `layer_entry` translates its layers.

    Raises:
        ValueError: naming the layer, for a call with arguments that are not supported.
    """
    entries, old = [], False
    for entry in values["layers"]:
        label = f"{entry['class_name']} {entry.get('name')!r}"
        calls = []
        for node in entry["inbound_nodes"]:
            old = old or not isinstance(node, Mapping)
            calls.append(_old_call(label, node) if old else _call(label, node))
        entries.append({**layer_entry(entry), "inbound_nodes": calls})
    ends = {key: _places(values[key]) for key in ("input_layers", "output_layers")}
    _count_from_zero(entries, ends, old)
    return {
        "name": values.get("name"),
        "trainable": values.get("trainable", True),
        "layers": entries,
        **ends,
    }


def _call(label: str, node: Mapping[str, Any]) -> dict[str, Any]:
    first, *others = node["args"] or [None]
    if any(other is not None for other in others):
        raise ValueError(f"{label}: called on several arguments: not supported")
    listed = isinstance(first, list)
    tensors = first if listed else [first]
    if not all(isinstance(each, Mapping) and "config" in each for each in tensors):
        raise ValueError(f"{label}: called on something else than tensors: not supported")
    return {
        "inputs": [list(each["config"]["keras_history"]) for each in tensors],
        "listed": listed,
        "training": _mode(label, node.get("kwargs") or {}),
    }


def _old_call(label: str, node: Any) -> dict[str, Any]:
    if node and isinstance(node[0], str):
        node = [node]
    modes = [_mode(label, place[3] if len(place) > 3 else {}) for place in node]
    return {
        "inputs": [list(place[:3]) for place in node],
        "listed": len(node) > 1,
        "training": modes[0] if modes else None,
    }


def _mode(label: str, keywords: Mapping[str, Any]) -> bool | None:
    for key, value in keywords.items():
        if key != "training" and value is not None:
            raise ValueError(f"{label}: called with {key}={value!r}: not supported")
    mode: bool | None = keywords.get("training")
    return mode


def _places(value: Any) -> list[Place]:
    """[name, 0, 0], a list of those, or a dict of those."""
    if isinstance(value, Mapping):
        return [list(place) for place in value.values()]
    return [list(value)] if value and isinstance(value[0], str) else [list(each) for each in value]


def _count_from_zero(
    entries: list[dict[str, Any]], ends: Mapping[str, list[Place]], old: bool
) -> None:
    """Number the calls of nested models from 0, in place.

    Keras counts them from 1, for a model has a graph of its own before it is called: Keras 3
    among the outputs of the outer model, Keras 2 everywhere.
    """
    calls = [
        place for entry in entries for call in entry["inbound_nodes"] for place in call["inputs"]
    ]
    outer = [place for places in ends.values() for place in places]
    for entry in entries:
        name, class_name = entry["name"], entry["class_name"]
        if old and class_name in _MODELS:
            places = [place for place in (*calls, *outer) if place[0] == name]
            shift = min((place[1] for place in places), default=0)
        else:
            places = [place for place in outer if place[0] == name]
            shift = 1 if class_name == "Functional" else 0
        for place in places:
            place[1] -= shift
