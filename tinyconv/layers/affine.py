"""What Dense and Conv2D share: a kernel, a bias and an activation."""

from __future__ import annotations

from typing import Any

from tinyconv import activations, initializers, regularizers
from tinyconv.backends import get_backend
from tinyconv.backends.base import LINEAR, Activation, Array
from tinyconv.layers.base import Cache, Gradients, Layer


class Affine(Layer):
    """Base of the layers y = activation(z + bias), z linear in x and in the kernel.

    Args:
        activation: a name, a function of `tinyconv.nn`, or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: initial values.
        kernel_regularizer, bias_regularizer: penalties added to the loss.
    """

    steady = True
    affine_keys = (
        "activation", "use_bias", "kernel_initializer", "bias_initializer",
        "kernel_regularizer", "bias_regularizer",
    )  # fmt: skip

    def __init__(
        self,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.activation = activations.get(activation, self)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(
            kernel_initializer, f"{self!r}: kernel_initializer"
        )
        self.bias_initializer = initializers.get(bias_initializer, f"{self!r}: bias_initializer")
        self.kernel_regularizer = regularizers.get(
            kernel_regularizer, f"{self!r}: kernel_regularizer"
        )
        self.bias_regularizer = regularizers.get(bias_regularizer, f"{self!r}: bias_regularizer")

    def add_kernel_and_bias(self, shape: tuple[int, ...]) -> None:
        """kernel of this shape, and a bias as long as its last axis."""
        self.add_weight("kernel", shape, self.kernel_initializer, self.kernel_regularizer)
        if self.use_bias:
            self.add_weight("bias", shape[-1:], self.bias_initializer, self.bias_regularizer)

    def forward_logits(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """z + bias, without the activation."""
        return self._forward(x, LINEAR)

    def backward_parameters(self, dy: Array, cache: Cache) -> Gradients:
        """As `backward`, without dx."""
        return self._backward_parameters(dy, cache)[1]

    def backward_input(self, dy: Array, cache: Cache) -> Array:
        """dx alone, as `backward` computes it."""
        return self._backward_input(self._activate_backward(dy, cache)[0], cache)

    def product(self, x: Array, kernel: Array) -> Array:
        """z for a kernel of this layer's shape."""
        raise TypeError(f"{self!r} defines no product(x, kernel)")

    def _forward(self, x: Array, activation: Activation) -> tuple[Array, Cache]:
        raise TypeError(f"{self!r} defines no _forward(x, activation)")

    def _backward_parameters(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        raise TypeError(f"{self!r} defines no _backward_parameters(dy, cache)")

    def _backward_input(self, dz: Array, cache: Cache) -> Array:
        raise TypeError(f"{self!r} defines no _backward_input(dz, cache)")

    def _activate(self, z: Array, activation: Activation) -> tuple[Array, Array]:
        """y = activation(z + bias); z is not needed afterwards."""
        return get_backend().activate(z, self.params.get("bias"), activation, overwrite=True)

    def _activate_backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dz = dy * activation'(z + bias), and dbias = the sum of dz over all but the last axis."""
        dy = self.check_backward(dy, cache)
        dz, dbias = get_backend().activate_backward(
            dy, cache.saved, cache.activation, self.use_bias
        )
        return dz, {} if dbias is None else {"bias": dbias}
