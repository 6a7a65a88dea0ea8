"""What a layer holds: its parameters, its statistics, and whether they are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv import initializers
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.layers.variable import Variable
from tinyconv.regularizers import L1L2


def switch(owner: Any, value: Any) -> bool:
    """What `trainable` is set to.

    Raises:
        TypeError: for anything but True and False (or 1 and 0): "no" would be true.
    """
    if not isinstance(value, (bool, np.bool_, int, np.integer)) or value not in (0, 1):
        raise TypeError(f"{owner!r}: trainable must be True or False. Received: {value!r}")
    return bool(value)


class Parameters:
    """The half of a layer that holds numbers, and computes nothing.

    Attributes:
        params: what is trained by its gradient, by name.
        state: what is not, such as moving statistics.
        regularizers: the penalties of some of the parameters.
    """

    name: str
    dtype: str
    params: dict[str, Array]
    state: dict[str, Array]
    regularizers: dict[str, L1L2]
    _trainable: bool

    if not TYPE_CHECKING:  # or every misspelt attribute would pass

        def __getattr__(self, name: str) -> Variable:
            """layer.kernel, layer.gamma, ...: the variable of that name."""
            kept = vars(self)
            if name in kept.get("params", ()) or name in kept.get("state", ()):
                return Variable(self, name, f"{self.name}/{name}")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def add_weight(
        self,
        key: str,
        shape: tuple[int, ...],
        initializer: Any = "glorot_uniform",
        regularizer: L1L2 | None = None,
        trainable: bool = True,
    ) -> None:
        """Create `params[key]` (or `state[key]` when not trainable)."""
        what = f"{self!r}: {key}"
        values = initializers.create(initializers.get(initializer), shape, self.dtype, what)
        store = self.params if trainable else self.state
        store[key] = get_backend().asarray(values, self.dtype)
        if regularizer is not None:
            self.regularizers[key] = regularizer

    @property
    def trainable(self) -> bool:
        """Whether training changes this layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = switch(self, value)

    @property
    def trains(self) -> bool:
        """Whether there is something here that training changes by its gradient."""
        return self._trainable and bool(self.params)

    @property
    def weights(self) -> list[Variable]:
        """All variables: trained parameters first, then statistics."""
        return [Variable(self, key, f"{self.name}/{key}") for key in (*self.params, *self.state)]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The variables that training changes by their gradients."""
        return [weight for weight in self.weights if weight.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """All the others."""
        return [weight for weight in self.weights if not weight.trainable]

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights
    variables = weights

    def count_params(self) -> int:
        """Number of parameters, statistics included."""
        return sum(int(np.prod(weight.shape)) for weight in self.weights)

    def get_weights(self) -> list[Array]:
        """Copies of all variables as NumPy arrays, in the order of `weights`."""
        return [get_backend().to_numpy(weight.value).copy() for weight in self.weights]

    def set_weights(self, weights: list[Any]) -> None:
        """Overwrite all variables; nothing changes if one of them does not fit.

        Raises:
            ValueError: naming the variable, its shape and the shape that came.
        """
        variables, arrays = self.weights, [np.asarray(weight) for weight in weights]
        if len(arrays) != len(variables):
            raise ValueError(
                f"{self!r}: expected {len(variables)} weights. Received: {len(arrays)}"
            )
        for variable, array in zip(variables, arrays, strict=True):
            if variable.shape != array.shape:
                raise ValueError(
                    f"{variable.path}: expected shape {variable.shape}. Received: {array.shape}"
                )
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
