"""Checks of what the functions that draw are given."""

from __future__ import annotations

import operator
from typing import Any

from tinyconv.geometry import Pair, integer


def place(layer: Any, at: Any, size: Pair, what: str) -> Pair:
    """A pixel (row, col) of an image of that size; negative ones count from the end.

    Raises:
        ValueError: naming the layer, for anything else.
    """
    try:
        row, col = (operator.index(number) for number in at)
    except (TypeError, ValueError):
        row, col = size
    if not (-size[0] <= row < size[0] and -size[1] <= col < size[1]):
        raise ValueError(
            f"{layer!r}: at must be a pixel (row, col) of the {what}, which has {size[0]} x "
            f"{size[1]}. Received: at={at!r}"
        )
    return row % size[0], col % size[1]


def below(layer: Any, number: Any, count: int, name: str) -> int:
    """An index from 0 to count - 1.

    Raises:
        ValueError: naming the layer and the argument.
    """
    index = integer(number, name, layer, minimum=0)
    if index >= count:
        raise ValueError(
            f"{layer!r}: {name} must be less than {count}, their number. Received: {name}={number}"
        )
    return index
