"""Changes to JSON: values of another kind or size, keys gone or new, deep nesting."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from random import Random
from typing import Any

_DEEP = "@deep@"
STRANGE: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, 3, -1, -3, 10**4, 10**6, 10**9, 10**12, 2**31, 2**63, -(2**63),
    10**30, 10**400, 0.5, 1.5, -0.0, 1e-320, 1e308, math.inf, -math.inf, math.nan, "", "x", "relu",
    "same", "../../etc/passwd", "/etc/passwd", "a/b", ".", "..", "\0", "\x1b[2J", "\ud800",
    "ä" * 300, "x" * 100_000, "float64", "float16", "int8", [], [[]], [0], [1, 2], [None], [-1, -1],
    [10**12] * 4, ["x"], [[1, [2]]], {}, {"": 0},
    {"class_name": "Dense", "config": {"units": 10**12}},
    {"class_name": "__lambda__", "config": {"code": "4wEAAAAA"}}, {"class_name": 3, "config": None},
    {"class_name": "function", "config": "system", "module": "os"}, _DEEP,
)  # fmt: skip


def changed(rng: Random, tree: Any) -> tuple[Any, str]:
    """A copy with one to five changes, and their names."""
    tree, names = copy.deepcopy(tree), []
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        holders = list(_holders(tree))
        if not holders:
            return rng.choice(STRANGE), "all"
        holder = rng.choice(holders)
        # Deep places are many, and the shallow ones decide most.
        holder = rng.choice((holder, holders[0], rng.choice(holders[: len(holders) // 4 + 1])))
        names.append(_change(rng, tree, holder, holders))
    return tree, "+".join(names)


def text_of(rng: Random, tree: Any) -> str:
    """The JSON, where a place may be nested beyond all measure."""
    text = json.dumps(tree)
    if f'"{_DEEP}"' in text:
        depth = rng.choice((200, 900, 5_000, 100_000))
        opening, closing = rng.choice((("[", "]"), ('{"config":', "}"), ('{"layers":[', "]}")))
        text = text.replace(f'"{_DEEP}"', opening * depth + "1" + closing * depth)
    return text


def _holders(value: Any) -> Iterator[Any]:
    """The lists and dicts in it that are not empty."""
    if isinstance(value, (dict, list)):
        if value:
            yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)


def _change(rng: Random, tree: Any, holder: Any, holders: list[Any]) -> str:
    key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    way = rng.choice(("strange", "strange", "strange", "near", "gone", "new", "taken", "renamed"))
    if way == "near" and isinstance(holder[key], (int, float)):
        number = holder[key]
        near = (number + 1, number - 1, -number, number * 2, number * 1000)
        holder[key] = rng.choice(
            (*near, f"{number:g}" if abs(number) < 1e9 else "1", [number], 0.5)
        )
    elif way == "gone":
        del holder[key]
    elif way == "new":
        name = rng.choice(("units", "dtype", "layers", "input_shape", "name", "fn", "module", "x"))
        value = copy.deepcopy(rng.choice(STRANGE))
        if isinstance(holder, dict):
            holder[name] = value
        else:
            holder.insert(key, rng.choice((value, copy.deepcopy(holder[key]))))
    elif way == "taken":  # a copy of another place
        other = rng.choice(holders)
        values = list(other.values()) if isinstance(other, dict) else other
        holder[key] = copy.deepcopy(rng.choice(values)) if values else None
    elif way == "renamed" and isinstance(holder, dict):
        holder[rng.choice(("x", "", f"{key}s", key.upper()))] = holder.pop(key)
    else:
        holder[key] = copy.deepcopy(rng.choice(STRANGE))
    return way
