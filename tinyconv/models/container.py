"""A model as a box of layers: finding them, their weights, what is trained."""

from __future__ import annotations

from tinyconv.layers.base import Layer
from tinyconv.layers.parameters import switch
from tinyconv.layers.variable import Variable
from tinyconv.training.trainer import Trainer


class Container(Trainer):
    """The half of a model that does not compute."""

    # ---- layers and weights ---------------------------------------------------

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by its name, or by its position.

        Raises:
            ValueError: if there is no such layer; it lists those there are.
        """
        if (name is None) == (index is None):
            raise ValueError(f"{self!r}: give either the name or the index of a layer")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"{self!r}: no layer {index}; there are {len(self.layers)} layers")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise ValueError(f"{self!r}: no layer {name!r}. Layers: {names}")

    @property
    def weights(self) -> list[Variable]:
        """All variables, layer by layer; each once, also where two models inside share it."""
        found: dict[tuple[int, str], Variable] = {}
        for layer in self.layers:
            for weight in layer.weights:
                path = f"{layer.name}/{_inner(layer, weight)}"
                place = id(weight.layer), weight.name
                found.setdefault(place, Variable(weight.layer, weight.name, path))
        return list(found.values())

    @property
    def trainable(self) -> bool:
        """Whether training changes this model; setting it sets it on every layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = switch(self, value)
        for layer in self.layers:
            layer.trainable = value

    @property
    def trains(self) -> bool:
        """Whether there is something here that training changes by its gradient.

        As in Keras a layer that was unfrozen inside a frozen model is trained with the model
        around it.
        """
        return any(layer.trains for layer in self.layers)

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes; none while the model itself is frozen."""
        return super().trainable_weights if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """All the others."""
        return super().non_trainable_weights if self._trainable else self.weights

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights
    variables = weights


def _inner(layer: Layer, weight: Variable) -> str:
    """Path below the layer: a plain layer's own name is not repeated."""
    return weight.path if isinstance(layer, Container) else weight.name
