"""Which layers of a large network are drawn in depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinyconv.explain.walk import Call
from tinyconv.layers import BatchNormalization, Conv2D, Dropout
from tinyconv.layers.pooling import Pooling2D
from tinyconv.layers.windowed import Windowed

DRAWN = (Conv2D, Pooling2D, BatchNormalization, Dropout)  # layers that have an inside to draw


def drawable(calls: Sequence[Call]) -> list[int]:
    """Numbers of the calls that have an inside to draw."""
    return [number for number, call in enumerate(calls) if isinstance(call.layer, DRAWN)]


def chosen(calls: Sequence[Call], most: int) -> set[int]:
    """Of a few calls all; of more than `most` those that differ most from each other.

    First the first of each kind (class, window, stride), then the last convolution, then the
    first of each kind at each size of the maps.
    """
    numbers = drawable(calls)
    if len(numbers) <= most:
        return set(numbers)
    kinds: dict[Any, int] = {}
    sizes: dict[Any, int] = {}
    for number in numbers:
        kind = _kind(calls[number])
        kinds.setdefault(kind, number)
        sizes.setdefault((kind, calls[number].output.shape[1:-1]), number)
    last = [number for number in numbers if isinstance(calls[number].layer, Conv2D)][-1:]
    order = dict.fromkeys([*kinds.values(), *last, *sizes.values()])
    return set(list(order)[:most])


def _kind(call: Call) -> tuple[Any, ...]:
    layer = call.layer
    if isinstance(layer, Windowed):
        window = layer.window(call.inputs[0].shape)
        return type(layer), window.size, window.strides, window.dilation
    return (type(layer),)
