"""The losses, by Keras' names."""

from __future__ import annotations

import inspect
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

_OWN = (
    "A loss of your own is a subclass of tinyconv.losses.Loss with check_targets(y_true, "
    "y_pred_shape) and rows(targets, predictions) -> (losses, their derivatives)"
)


def get(identifier: Any) -> Loss:
    """A loss for a name such as "mse", a class, a config or an instance.

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else, a function say.
    """
    if isinstance(identifier, str) and registry.snake_case(identifier) in registry.ABSENT:
        raise ValueError(
            f"loss: {identifier!r} is not supported. Known: {', '.join(sorted(_TABLE))}. {_OWN}"
        )
    if inspect.isroutine(identifier):
        raise TypeError(
            f"loss must be a name or a tinyconv.losses.Loss, which gives the gradient as well. "
            f"Received: the function {identifier!r}. {_OWN}"
        )
    loss: Loss = registry.lookup(identifier, _TABLE, "loss", Loss)
    return loss
