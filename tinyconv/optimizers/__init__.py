"""The optimizers, by Keras' names."""

from __future__ import annotations

from typing import Any

from tinyconv import registry
from tinyconv.optimizers import schedules
from tinyconv.optimizers.adam import Adam, AdamW
from tinyconv.optimizers.base import Optimizer
from tinyconv.optimizers.rmsprop import RMSprop
from tinyconv.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "get", "schedules"]

_TABLE = {"adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "sgd": SGD}


def get(identifier: Any) -> Optimizer:
    """An optimizer for a name such as "adam", a class, a config or an instance.

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.
    """
    optimizer: Optimizer = registry.lookup(identifier, _TABLE, "optimizer", Optimizer)
    return optimizer
