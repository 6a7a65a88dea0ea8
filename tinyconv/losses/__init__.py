"""The losses, by Keras' names."""

from __future__ import annotations

from typing import Any

from tinyconv import registry
from tinyconv.losses.base import Loss, LossResult
from tinyconv.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from tinyconv.losses.mean_squared_error import MeanSquaredError

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "LossResult",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
]

_TABLE = {
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}


def get(identifier: Any) -> Loss:
    """A loss for a name such as "mse", a class, a config or an instance.

    Raises:
        ValueError: for an unknown name.
    """
    loss: Loss = registry.lookup(identifier, _TABLE, "loss", Loss)
    return loss
