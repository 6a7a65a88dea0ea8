"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Activation, Array
from tinyconv.geometry import Shape, integer
from tinyconv.layers.affine import Affine
from tinyconv.layers.base import Cache, Gradients


class Dense(Affine):
    """y = activation(x @ kernel + bias) over the last axis.

    x (..., C) -> y (..., units), kernel (C, units), bias (units,).

    Args:
        units: length of the output's last axis.
        activation: a name, a function of `tinyconv.nn`, or None.
        use_bias, kernel_initializer, ...: see `Affine`; name, dtype, ...: see `Layer`.

    Raises:
        ValueError: if `units` is not a positive integer, or a name is unknown.
    """

    config_keys = ("units", *Affine.affine_keys)
    axes = "(batch, ..., values)"

    def __init__(self, units: int, activation: Any = None, **affine: Any) -> None:
        super().__init__(activation, **affine)
        self.units = integer(units, "units", self)

    def build(self, input_shape: Shape) -> None:
        """kernel (C, units), bias (units,)."""
        channels = input_shape[-1]
        if channels is None:
            raise ValueError(
                f"{self!r}: the length of the last axis must be known. Received: {input_shape}. "
                "Give the images a fixed size: Input((height, width, channels)), or input_shape= "
                "of a pretrained network; or take GlobalAveragePooling2D in place of Flatten"
            )
        self.channels = channels
        self.add_kernel_and_bias((channels, self.units))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(..., C) -> (..., units)."""
        return (*input_shape[:-1], self.units)

    def check_shape(self, shape: Shape) -> None:
        """At least (batch, values)."""
        super().check_shape(shape)
        if len(shape) < 2:
            raise ValueError(
                f"{self!r}: expected input of at least 2 axes {self.axes}. Received: shape {shape}"
            )

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """z = x @ kernel,  y = activation(z + bias)."""
        return self._forward(x, self.activation)

    def product(self, x: Array, kernel: Array) -> Array:
        """z for a kernel of this layer's shape."""
        rows = x.reshape(-1, x.shape[-1])
        return get_backend().matmul(rows, kernel).reshape(*x.shape[:-1], self.units)

    def _forward(self, x: Array, activation: Activation) -> tuple[Array, Cache]:
        x = self.prepare(x)
        y, saved = self._activate(self.product(x, self.params["kernel"]), activation)
        return y, Cache(self, y.shape, x=x, saved=saved, activation=activation)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx, dz, dkernel and dbias: see below."""
        dz, grads = self._backward_parameters(dy, cache)
        return self._backward_input(dz, cache), grads

    def _backward_input(self, dz: Array, cache: Cache) -> Array:
        """dx = dz @ kernel^T."""
        dx = get_backend().matmul(dz.reshape(-1, self.units), self.params["kernel"].T)
        return dx.reshape(cache.x.shape)

    def _backward_parameters(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dz = dy * activation'(z + bias),  dkernel = x^T @ dz,  dbias = sum of dz over rows."""
        dz, grads = self._activate_backward(dy, cache)
        dz = dz.reshape(-1, self.units)
        rows = cache.x.reshape(-1, cache.x.shape[-1])
        return dz, {"kernel": get_backend().matmul(rows.T, dz), **grads}
