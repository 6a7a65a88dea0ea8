"""The shape that a model starts from."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Array
from tinyconv.geometry import Shape, checked_shape, fits
from tinyconv.layers.base import Cache, Gradients, Layer


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
        self.shape = checked_shape(shape, "InputLayer")
        super().__init__(input_shape=self.shape, **base)
        self.built = True

    def check_shape(self, shape: Shape) -> None:
        """The declared shape, after the batch."""
        super().check_shape(shape)
        if not fits(shape[1:], self.shape):
            raise ValueError(
                f"{self!r}: expected input of shape {(None, *self.shape)}. "
                f"Received: shape {tuple(shape)}"
            )

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
