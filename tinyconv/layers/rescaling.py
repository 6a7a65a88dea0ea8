"""Rescaling of inputs inside the model."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Array
from tinyconv.layers.base import Cache, Gradients, Layer


class Rescaling(Layer):
    """y = x * scale + offset; `Rescaling(1 / 255)` takes pixels 0..255 to 0..1.

    Args:
        scale, offset: numbers.
    """

    config_keys = ("scale", "offset")
    steady = True

    def __init__(self, scale: float, offset: float = 0.0, **base: Any) -> None:
        super().__init__(**base)
        self.scale, self.offset = float(scale), float(offset)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = x * scale + offset."""
        x = self.prepare(x)
        y = x * self.scale + self.offset
        return y, Cache(self, y.shape)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx = dy * scale."""
        return self.check_backward(dy, cache) * self.scale, {}
