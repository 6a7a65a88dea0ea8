"""What kernels take for granted, checked before one of them reads beyond an array."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Array


def expect(name: str, array: Array, shape: tuple[int, ...], dtype: Any = None) -> None:
    """Raise ValueError unless `array` has this shape, and this dtype if one is given."""
    if array.shape != shape:
        raise ValueError(f"expected {name} of shape {shape}. Received: shape {array.shape}")
    if dtype is not None and array.dtype != dtype:
        raise ValueError(f"expected {name} of dtype {dtype}. Received: dtype {array.dtype}")
