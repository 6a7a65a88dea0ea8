"""One parameter or statistic of a layer, as Keras' programs expect to hold it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array

if TYPE_CHECKING:
    from tinyconv.layers.parameters import Parameters


class Variable:
    """A named view of `layer.params[key]` or `layer.state[key]`.

    It holds no array of its own: what the optimizer writes is seen here, also
    after the model has moved all parameters into one flat buffer.
    """

    def __init__(self, layer: Parameters, key: str, path: str) -> None:
        self.layer, self.name, self.path = layer, key, path

    @property
    def _store(self) -> dict[str, Array]:
        return self.layer.params if self.name in self.layer.params else self.layer.state

    @property
    def value(self) -> Array:
        """The array itself."""
        return self._store[self.name]

    @value.setter
    def value(self, array: Array) -> None:
        self._store[self.name] = array

    @property
    def trainable(self) -> bool:
        """Whether training changes it by its gradient."""
        return self.layer.trainable and self.name in self.layer.params

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.value.shape

    @property
    def dtype(self) -> str:
        """Name of its dtype."""
        return str(self.value.dtype)

    def numpy(self) -> Array:
        """A NumPy copy."""
        return np.array(get_backend().to_numpy(self.value))

    def assign(self, values: Any) -> None:
        """Overwrite in place.

        Raises:
            ValueError: if the shapes differ.
        """
        array = np.asarray(values)
        if array.shape != self.shape:
            raise ValueError(f"{self.path}: expected shape {self.shape}. Received: {array.shape}")
        self.value[...] = get_backend().asarray(array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        values = get_backend().to_numpy(self.value)
        return np.array(values, dtype=dtype) if copy else np.asarray(values, dtype=dtype)

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}>"
