"""A chain of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tinyconv.backends.base import Array
from tinyconv.geometry import Shape, fits
from tinyconv.layers.base import Cache, Gradients, Layer
from tinyconv.layers.input import InputLayer
from tinyconv.models.model import Model, prefixed


class Sequential(Model):
    """y = layer_n(... layer_2(layer_1(x))).

    The parameters are created as soon as the shape of the input is known: from an
    `Input`, from `input_shape=` on the first layer, from `build`, or from the first batch.

    Args:
        layers: the layers in order; a model is a layer too.
        name, trainable, dtype: as for every layer.

    Raises:
        TypeError: for something that is not a layer.
        ValueError: for two layers of one name, or layers that do not fit each other.
    """

    def __init__(self, layers: Iterable[Layer] | None = None, **base: Any) -> None:
        self.layers: list[Layer] = []
        super().__init__(**base)
        if isinstance(layers, Layer):
            raise TypeError(f"{self!r}: expected a list of layers. Received: {layers!r}")
        for layer in layers or ():
            self.add(layer)

    # ---- construction ---------------------------------------------------------

    def add(self, layer: Layer) -> None:
        """Append a layer."""
        if not isinstance(layer, Layer):
            raise TypeError(f"{self!r}: expected a layer. Received: {layer!r}")
        if any(layer.name == other.name for other in self.layers):
            raise ValueError(f"{self!r}: there is a layer {layer.name!r} already")
        if isinstance(layer, InputLayer):
            if self.layers or self.declared_shape is not None:
                raise ValueError(f"{self!r}: an Input must come first, and only once")
            self.declared_shape = layer.declared_shape
            return
        if self.built:
            layer.ensure_built(self.output_shape)
            self.output_shape = layer.compute_output_shape(self.output_shape)
        declared = self.declared_shape
        if not self.layers and declared is None:
            self.declared_shape = layer.declared_shape
        self.layers.append(layer)
        self.compiled = False  # what was compiled was another model
        if not self.built and self.declared_shape is not None:
            try:
                self.ensure_built((None, *self.declared_shape))
            except BaseException:
                self.layers.pop()
                self.declared_shape = declared
                raise

    def pop(self) -> Layer:
        """Remove and return the last layer."""
        if not self.layers:
            raise ValueError(f"{self!r}: there is no layer to remove")
        layer = self.layers.pop()
        self.compiled = False
        if self.built:
            self._chain_shapes(self.input_shape)
        return layer

    def build(self, input_shape: Shape) -> None:
        """Create the parameters of all layers for inputs of this shape (with the batch)."""
        if not self.layers:
            raise ValueError(f"{self!r}: the model has no layers; add one first")
        fresh = [layer for layer in self.layers if not layer.built]
        try:
            self._chain_shapes(tuple(input_shape))
        except BaseException:
            for layer in fresh:
                layer.unbuild()
            raise
        self.input_shape, self.built = tuple(input_shape), True

    def unbuild(self) -> None:
        """Forget the parameters of all layers."""
        for layer in self.layers:
            layer.unbuild()
        super().unbuild()

    def _chain_shapes(self, shape: Shape) -> None:
        for layer in self.layers:
            layer.ensure_built(shape)
            shape = layer.compute_output_shape(shape)
        self.output_shape = shape

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Through all layers."""
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def check_shape(self, shape: Shape) -> None:
        """The declared input shape, where there is one."""
        declared = self.declared_shape
        if declared is not None and not fits(shape[1:], declared):
            single = fits(shape, declared)
            hint = ". For a single sample add the batch axis: x[None]" if single else ""
            raise ValueError(
                f"{self!r}: expected input of shape {(None, *declared)}. "
                f"Received: shape {tuple(shape)}{hint}"
            )
        super().check_shape(shape)

    def prepare(self, x: Any) -> Array:
        """As for every layer; grey images may come without their channel axis, as in Keras."""
        x = self.cast(x)
        declared = self.declared_shape
        grey = declared is not None and declared[-1] == 1 and fits(x.shape[1:], declared[:-1])
        if grey and x.shape[-1] != 1:  # else it is one image without its batch axis
            x = x[..., None]
        return super().prepare(x)

    # ---- forward and backward -------------------------------------------------

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """Each layer on the output of the one before; the tape keeps their caches."""
        return self._run(x, training, keep_from=0)

    def forward_logits(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """The same without the last activation."""
        return self._run(x, training, keep_from=0, logits=True)

    def forward_for_loss(self, x: Array, training: bool, logits: bool) -> tuple[Array, Cache]:
        """No gradient flows below the first trainable layer, so no cache is kept there."""
        keep_from = self._first_trainable() if training else len(self.layers)
        return self._run(x, training, keep_from, logits)

    def _run(
        self, x: Array, training: bool, keep_from: int, logits: bool = False
    ) -> tuple[Array, Cache]:
        x = self.prepare(x)
        tape: list[Cache | None] = []
        for position, layer in enumerate(self.layers):
            last = position == len(self.layers) - 1
            x, cache = (layer.forward_logits if logits and last else layer.forward)(x, training)
            tape.append(cache if position >= keep_from else None)
        return x, Cache(self, x.shape, tape=tape)

    def infer(self, x: Array) -> Array:
        """The output alone; no cache outlives its layer."""
        x = self.prepare(x)
        for layer in self.layers:
            x = layer.infer(x)
        return x

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """The chain rule: each layer's dx is the dy of the one before it."""
        dy, grads = self.check_backward(dy, cache), {}
        for layer, kept in zip(reversed(self.layers), reversed(cache.tape), strict=True):
            dy, own = layer.backward(dy, kept)
            grads.update(prefixed(layer, own))
        return dy, grads

    def backward_parameters(self, dy: Array, cache: Cache) -> Gradients:
        """The same down to the first trainable layer, which needs no dx."""
        dy, grads = self.check_backward(dy, cache), {}
        first = self._first_trainable()
        for position in range(len(self.layers) - 1, first, -1):
            layer = self.layers[position]
            dy, own = layer.backward(dy, cache.tape[position])
            grads.update(prefixed(layer, own))
        if first < len(self.layers):
            layer = self.layers[first]
            grads.update(prefixed(layer, layer.backward_parameters(dy, cache.tape[first])))
        return grads

    def _first_trainable(self) -> int:
        """Position of the first layer with something to train; their number if none."""
        for position, layer in enumerate(self.layers):
            if any(weight.trainable for weight in layer.weights):
                return position
        return len(self.layers)

    @property
    def final_activation(self) -> str:
        """That of the last layer."""
        return self.layers[-1].final_activation if self.layers else "linear"

    # ---- configuration --------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Name, input shape, and each layer's class and config."""
        return {
            **super().get_config(),
            "input_shape": self.declared_shape,
            "layers": [
                {"class_name": type(layer).__name__, "config": layer.get_config()}
                for layer in self.layers
            ],
        }

    @classmethod
    def from_config(cls, values: dict[str, Any]) -> Sequential:
        """A new model, without the weights, from `get_config`."""
        from tinyconv import layers

        values = dict(values)
        known: dict[str, Any] = {**vars(layers), "Sequential": Sequential}
        built = [
            known[entry["class_name"]].from_config(entry["config"])
            for entry in values.pop("layers")
        ]
        return cls(built, **values)
