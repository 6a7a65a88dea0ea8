"""Weights that another backend has made, brought to where this one computes."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend


def move(model: Any) -> None:
    """Make all weights of a model, and what its optimizer keeps, arrays of this backend."""
    backend = get_backend()
    for weight in model.weights:
        if not isinstance(weight.value, backend.xp.ndarray):
            weight.value = backend.bring(weight.value)
    optimizer = model.optimizer
    if optimizer is not None:
        optimizer.slots = {
            name: x if isinstance(x, backend.xp.ndarray) else backend.bring(x)
            for name, x in optimizer.slots.items()
        }
    model.home = backend.xp
