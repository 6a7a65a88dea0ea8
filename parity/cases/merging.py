"""Layers that make one of several: Add and Concatenate."""

from __future__ import annotations

from typing import Any

from parity.case import Case
from parity.cases.layer import layer_case
from parity.data import generator

_IMAGE = (2, 3, 4, 5)
_DRAWN = 6
# tf.keras takes (N, 1) for a bias of N channels where the batch is as long as the channels
# (docs/differences.md), so no other axis has this length.
_BATCH = 7


def cases() -> list[Case]:
    """All of them."""
    return [
        layer_case("Add", "two images", [_IMAGE, _IMAGE]),
        layer_case("Add", "five vectors", [(3, 7)] * 5),
        layer_case("Add", "one alone", [(3, 7)]),
        layer_case("Add", "one value a channel", [_IMAGE, (2, 1, 1, 5)]),
        layer_case("Add", "one value a pixel, first", [(2, 3, 4, 1), _IMAGE]),
        layer_case("Add", "a row and a column", [(2, 3, 1, 5), (2, 1, 4, 5)]),
        layer_case("Add", "zeros and equal values", [_IMAGE, _IMAGE], "ties"),
        layer_case("Concatenate", "two images", [_IMAGE, (2, 3, 4, 2)]),
        layer_case("Concatenate", "one alone", [(3, 7)]),
        layer_case("Concatenate", "four vectors", [(3, n) for n in (1, 4, 2, 3)]),
        layer_case("Concatenate", "axis 1, rows", [_IMAGE, (2, 1, 4, 5)], axis=1),
        layer_case("Concatenate", "axis 2, columns", [_IMAGE, (2, 3, 2, 5)], axis=2),
        layer_case("Concatenate", "axis -2, columns", [_IMAGE, (2, 3, 2, 5)], axis=-2),
        layer_case("Concatenate", "axis 3, channels", [_IMAGE, _IMAGE, _IMAGE], axis=3),
        *(_drawn_sum(place) for place in range(_DRAWN)),
        *(_drawn_join(place) for place in range(_DRAWN)),
    ]


def _drawn_sum(place: int) -> Case:
    """Any number of inputs, of length 1 along some of their axes."""
    source = generator("drawn sum", place)
    rank, count = int(source.integers(1, 4)), int(source.integers(2, 5))
    whole = [int(n) for n in source.integers(2, 6, rank)]
    shapes = [
        (_BATCH, *(1 if repeated else n for n, repeated in zip(whole, row, strict=True)))
        for row in source.random((count, rank)) < 0.3
    ]
    return layer_case("Add", f"drawn {place}: {_words(shapes)}", shapes)


def _drawn_join(place: int) -> Case:
    """Any number of inputs along any axis."""
    source = generator("drawn join", place)
    rank, count = int(source.integers(1, 4)), int(source.integers(2, 5))
    whole = [_BATCH, *(int(n) for n in source.integers(1, 6, rank))]
    axis = int(source.integers(1, rank + 1))
    lengths = [int(n) for n in source.integers(1, 6, count)]
    shapes = [(*whole[:axis], n, *whole[axis + 1 :]) for n in lengths]
    given = axis if source.random() < 0.5 else axis - rank - 1
    name = f"drawn {place}: {_words(shapes)} along {given}"
    return layer_case("Concatenate", name, shapes, axis=given)


def _words(shapes: list[Any]) -> str:
    return " + ".join("x".join(str(n) for n in shape[1:]) for shape in shapes)
