"""The shape that a model starts from."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Array
from tinyconv.geometry import Shape
from tinyconv.layers.base import Cache, Gradients, Layer, checked_shape


class InputLayer(Layer):
    """Declares the shape of a model's input; computes nothing.

    Args:
        shape: shape of one sample, without the batch; None where it may vary.
        batch_size: only None, any batch size, is supported.
        name, dtype: as for every layer.

    Raises:
        ValueError: unless the shape is a tuple of positive integers or None.
    """

    config_keys = ("shape",)

    def __init__(self, shape: Shape, *, batch_size: None = None, **base: Any) -> None:
        if batch_size is not None:
            raise ValueError(f"InputLayer: batch_size must be None. Received: {batch_size!r}")
        super().__init__(input_shape=checked_shape(shape, "InputLayer"), **base)
        self.shape = self.declared_shape
        self.built = True

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = x."""
        x = self.prepare(x)
        return x, Cache(self, x.shape)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx = dy."""
        return self.check_backward(dy, cache), {}


def Input(shape: Shape, **base: Any) -> InputLayer:  # noqa: N802  (Keras' name)
    """The input of a model: `Sequential([Input((28, 28, 1)), ...])`."""
    return InputLayer(shape, **base)
