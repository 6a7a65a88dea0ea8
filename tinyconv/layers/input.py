"""The shape that a model starts from."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Array
from tinyconv.geometry import Shape, checked_shape, fits
from tinyconv.layers.base import Cache, Gradients, Layer
from tinyconv.layers.symbolic import Node, SymbolicTensor


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
    expects: Any = None  # an `InputRecord`: what the layers that take it were pretrained on

    def __init__(self, shape: Shape, *, batch_size: None = None, **base: Any) -> None:
        if batch_size is not None:
            raise ValueError(f"InputLayer: batch_size must be None. Received: {batch_size!r}")
        self.shape = checked_shape(shape, "InputLayer")
        super().__init__(input_shape=self.shape, **base)
        self.built = True
        Node(self, [], [(None, *self.shape)], [self.dtype])

    def check_shape(self, shape: Shape) -> None:
        """The declared shape, after the batch."""
        super().check_shape(shape)
        check_declared(self, self.shape, shape)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = x."""
        x = self.prepare(x)
        return x, Cache(self, x.shape)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx = dy."""
        return self.check_backward(dy, cache), {}


def Input(shape: Shape, **base: Any) -> SymbolicTensor:  # noqa: N802  (Keras' name)
    """The input of a model, a symbolic tensor: `Sequential([Input((28, 28, 1)), ...])`, or

        x = Input((28, 28, 1))
        model = Model(x, Dense(10)(Flatten()(x)))

    Arguments and errors as for `InputLayer`.
    """
    tensor: SymbolicTensor = InputLayer(shape, **base).output
    return tensor


def check_declared(owner: Any, declared: Shape, shape: Shape, what: str = "input") -> None:
    """Raise ValueError unless an array of this shape fits the declared shape of one sample."""
    if fits(shape[1:], declared):
        return
    hint = ". For a single sample add the batch axis: x[None]" if fits(shape, declared) else ""
    raise ValueError(
        f"{owner!r}: expected {what} of shape {(None, *declared)}. "
        f"Received: shape {tuple(shape)}{hint}"
    )
