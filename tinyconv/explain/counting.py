"""How much work a layer is: multiply-adds, and the bytes that have to be moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tinyconv import layers
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape
from tinyconv.layers.affine import Affine
from tinyconv.layers.base import Cache, Layer

_PER_VALUE = (layers.BatchNormalization, layers.Rescaling)  # y = a x + b
_KNOWN = tuple(kind for kind in vars(layers).values() if isinstance(kind, type))


def multiply_adds(layer: Layer, output: Shape) -> int | None:
    """Multiplications followed by an addition in one forward pass, the batch included.

    Each value that a Conv2D or Dense gives is a sum of as many products as one filter has
    weights (taps on the padding are counted like all others, the bias is not). What only
    compares, moves, adds or applies a function multiplies and adds nothing: 0. None for a layer
    of one's own, which may do anything.

    The way back takes as many for dx, and as many again for the gradient of the kernel.

    Args:
        layer: that is built.
        output: shape of what it gives.
    """
    values = math.prod(n or 0 for n in output)
    if type(layer) not in _KNOWN:
        return None
    if isinstance(layer, Affine):
        return values * math.prod(layer.params["kernel"].shape[:-1])
    return values if isinstance(layer, _PER_VALUE) else 0


def address(x: Array) -> int:
    """Where the numbers of an array of the backend begin."""
    device = getattr(get_backend(), "device", None)
    place: int = x.ctypes.data if device is None else device.address(x)
    return place


def arrays_in(cache: Any) -> list[Array]:
    """The arrays that a cache holds, each once, at any depth."""
    found: dict[int, Array] = {}
    _collect(cache, found)
    return list(found.values())


def _collect(value: Any, found: dict[int, Array]) -> None:
    if isinstance(value, get_backend().xp.ndarray):
        if value.nbytes:
            found.setdefault(address(value), value)
    elif isinstance(value, Cache):
        _collect(list(vars(value).values()), found)
    elif isinstance(value, dict):
        _collect(list(value.values()), found)
    elif isinstance(value, (list, tuple)):
        for each in value:
            _collect(each, found)


def size(arrays: Sequence[Any]) -> int:
    """Bytes of arrays, None being nothing."""
    return sum(int(each.nbytes) for each in arrays if each is not None)
