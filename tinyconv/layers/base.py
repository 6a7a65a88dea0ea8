"""What all layers share: parameters, shapes, and the two halves of the chain rule."""

from __future__ import annotations

import os
import threading
from types import SimpleNamespace
from typing import Any

from tinyconv import activations, config, registry
from tinyconv.backends import get_backend
from tinyconv.backends.base import LINEAR, Activation, Array
from tinyconv.geometry import Shape, checked_shape
from tinyconv.layers.parameters import Parameters, switch
from tinyconv.layers.symbolic import Drawable, is_symbolic

Gradients = dict[str, Array]

_building = threading.RLock()


def _forget() -> None:
    """After a fork: another thread of the parent may have been building."""
    global _building
    _building = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class Cache(SimpleNamespace):
    """What one forward pass kept for its backward pass: a value, owned by the caller."""

    def __init__(self, owner: Layer, shape: Any, **kept: Any) -> None:
        super().__init__(owner=owner, shape=shape, **kept)


class Layer(Parameters, Drawable):
    """A function with parameters whose derivative is written by hand.

        y, cache  = layer.forward(x, training=True)
        dx, grads = layer.backward(dy, cache)       # grads has the keys of layer.params

    A subclass creates parameters in `build`, and defines `forward`, `backward`
    and, if it changes the shape, `compute_output_shape`. Nothing of a forward
    pass stays on the layer, so it may be used twice, or by several threads.

        class Scale(Layer):                                  # y = scale * x
            def build(self, input_shape):
                self.add_weight("scale", (input_shape[-1],), "ones")

            def forward(self, x, training=False):
                x = self.prepare(x)                          # checked, and built if need be
                y = self.params["scale"] * x
                return y, Cache(self, y.shape, x=x)

            def backward(self, dy, cache):
                dy = self.check_backward(dy, cache)
                dscale = (dy * cache.x).sum(axis=tuple(range(dy.ndim - 1)))
                return dy * self.params["scale"], {"scale": dscale}

    `tinyconv.gradcheck(Scale(dtype="float64"), x)` tells whether that is right.

    Args:
        name: shown in summaries and errors; numbered by class if None.
        trainable: whether training changes the parameters.
        dtype: of the parameters, "float32" or "float64"; None takes `config.floatx()`.
        input_shape: shape without the batch, on the first layer of a `Sequential`.

    Raises:
        TypeError: naming an argument that is not supported.
    """

    config_keys: tuple[str, ...] = ()  # constructor arguments, kept as attributes
    rank: int | None = None  # required rank of the input, if any
    axes = "(batch, ...)"  # what the axes of the input mean
    steady = False  # whether y is the same in training as in inference; see `constant`
    activation: Activation = LINEAR  # applied last; a loss may take it over, see forward_logits

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
        input_shape: Shape | None = None,
        **unsupported: Any,
    ) -> None:
        cls = type(self).__name__
        if unsupported := registry.in_effect(unsupported):
            owner = cls if name is None else f"{cls} {name!r}"
            raise registry.unsupported(type(self), owner, unsupported)
        self.name = name if name is not None else registry.unique_name(cls)
        self._trainable = switch(self, trainable)
        self.dtype = config.float_dtype(dtype)
        self.declared_shape = None if input_shape is None else checked_shape(input_shape, cls)
        self.params, self.state, self.regularizers = {}, {}, {}
        self.channels: int | None = None  # length of the last input axis, once built
        self.built = False
        self.nodes = []

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name!r}"

    # ---- to be defined by a subclass ------------------------------------------

    def build(self, input_shape: Shape) -> None:
        """Create the parameters for inputs of this shape (batch, and None where unknown)."""

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output for an input of this shape; the same unless defined."""
        return input_shape

    def forward(self, x: Any, training: bool = False) -> tuple[Any, Cache]:
        """x -> (y, cache)."""
        hint = "; call() is Keras' word, and there is no automatic differentiation here"
        raise TypeError(
            f"{self!r} defines no forward(x, training){hint if hasattr(self, 'call') else ''}"
        )

    def backward(self, dy: Any, cache: Cache) -> tuple[Any, Gradients]:
        """dy -> (dx, grads): the chain rule through this layer."""
        raise TypeError(f"{self!r} defines no backward(dy, cache)")

    # ---- variations that a model asks for -------------------------------------

    @property
    def final_activation(self) -> str:
        """Name of the activation that y has gone through last."""
        return self.activation.name

    def constant(self, training: bool) -> bool:
        """Whether y follows from x and the weights alone, and nothing else changes with it.

        Only then may `fit(cache_frozen_features=True)` keep y. In training that is taken for
        granted of no class that does not say so by `steady = True`: it may draw random numbers.
        """
        return self.steady or not training

    def backward_parameters(self, dy: Any, cache: Cache) -> Gradients:
        """The gradients of the parameters alone, where nobody below needs dx."""
        return self.backward(dy, cache)[1]

    def backward_input(self, dy: Any, cache: Cache) -> Any:
        """dx alone, where the parameters are frozen."""
        return self.backward(dy, cache)[0]

    def zero_gradients(self) -> Gradients:
        """What `backward` returns for parameters that the loss does not depend on."""
        return {key: get_backend().xp.zeros_like(value) for key, value in self.params.items()}

    def forward_logits(self, x: Any, training: bool = False) -> tuple[Any, Cache]:
        """`forward` without the final activation, for a loss that is fused with it."""
        raise TypeError(f"{self!r} has no final activation")

    def infer(self, x: Any) -> Any:
        """y alone, in inference mode."""
        return self.forward(x, training=False)[0]

    def compute(self, x: Any, training: bool) -> Any:
        """y alone, keeping nothing."""
        return self.forward(x, training)[0] if training else self.infer(x)

    def __call__(self, x: Any, training: bool | None = None) -> Any:
        """y for an array, in inference mode unless `training`.

        On a symbolic tensor (or a list of them) it draws: the call is recorded for a `Model`.
        """
        return self.draw(x, training) if is_symbolic(x) else self.compute(x, bool(training))

    # ---- checks ---------------------------------------------------------------

    def ensure_built(self, input_shape: Any) -> None:
        """Check the shape and, the first time, create the parameters for it.

        A layer that can't be built for this shape stays as it was, ready for another. Of
        several threads that bring the first batch one builds, and the others wait.
        """
        if self.built:
            self.check_shape(input_shape)
            return
        with _building:
            self.check_shape(input_shape)
            if self.built:
                return
            fresh = not self.params  # else build() was called by hand, and weights set perhaps
            try:
                if fresh:
                    self.build(input_shape)
                self.compute_output_shape(input_shape)  # a window may not fit
            except BaseException:
                if fresh:
                    self.unbuild()
                raise
            self.built = True

    def unbuild(self) -> None:
        """Forget the parameters and the shape they were made for."""
        for made in (self.params, self.state, self.regularizers):
            made.clear()
        self.channels, self.built = None, False

    def check_shape(self, shape: Shape) -> None:
        """Raise ValueError unless an input of this shape fits the layer."""
        if isinstance(shape, list):
            raise ValueError(f"{self!r}: expected one input. Received: a list of {len(shape)}")
        if not shape:
            raise ValueError(f"{self!r}: expected input {self.axes}. Received: a number")
        if self.rank is not None and len(shape) != self.rank:
            hint = ""
            if self.rank == 4 and len(shape) == 3 and shape[-1] not in (1, 3):
                hint = ". For grey images add the channel axis: x[..., None]"
            raise ValueError(
                f"{self!r}: expected {self.rank}-D input {self.axes}. "
                f"Received: shape {tuple(shape)}{hint}"
            )
        if self.channels is not None and shape[-1] != self.channels:
            raise ValueError(
                f"{self!r}: expected {self.channels} values along the last axis of {self.axes}, "
                f"the number it was built for. Received: shape {tuple(shape)}"
            )
        if 0 in shape:
            raise ValueError(f"{self!r}: the input holds no values. Received: shape {tuple(shape)}")

    def cast(self, x: Any) -> Array:
        """x as an array of the backend, of the dtype of this layer's parameters."""
        return get_backend().asarray(x, self.dtype)

    def prepare(self, x: Any) -> Array:
        """x as an array of the backend and of this layer's dtype, its shape checked."""
        x = self.cast(x)
        self.check_shape(x.shape)
        if not self.built:
            self.ensure_built((None, *x.shape[1:]))
        return x

    def check_backward(self, dy: Any, cache: Cache) -> Array:
        """dy as an array, after checking that the cache and its shape belong to this layer."""
        owner = getattr(cache, "owner", None)
        if owner is not self:
            came = f"the cache of {owner!r}" if isinstance(owner, Layer) else repr(type(cache))
            raise ValueError(
                f"{self!r}: backward needs the cache that its own forward returned. "
                f"Received: {came}"
            )
        return self.check_slope(dy, cache.shape)

    def check_slope(self, dy: Any, shape: Shape) -> Array:
        """dy as an array, after checking that it has the shape of the output."""
        dy = self.cast(dy)
        if dy.shape != shape:
            raise ValueError(
                f"{self!r}: expected dy of the output's shape {shape}. Received: {dy.shape}"
            )
        return dy

    # ---- configuration --------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, in plain Python values."""
        values: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        values["dtype"] = self.dtype
        for key in self.config_keys:
            value = getattr(self, key)
            serialize = (
                activations.serialize if isinstance(value, Activation) else registry.serialize
            )
            values[key] = serialize(value)
        return values

    @classmethod
    def from_config(cls, values: dict[str, Any]) -> Layer:
        """A new layer, without the weights, from `get_config`."""
        return cls(**values)
