"""Watching one value for improvement."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from tinyconv.callbacks.base import Logs

_RISE, _FALL = ("acc", "auc"), ("loss", "error", "mse", "mae")  # in names, for mode="auto"


class Monitor:
    """Tells whether a value of the logs has become better.

    Args:
        name: the value's name, "val_loss" say.
        mode: "min", "max", or "auto": accuracies should rise, losses and errors fall.
        min_delta: the least change that counts.
        best: the value to beat; None for the first that comes.
        owner: the callback that watches, named in errors.

    Raises:
        TypeError: for a name that is no string.
        ValueError: for another mode, and for "auto" with a name that tells neither.
    """

    def __init__(
        self,
        name: str,
        mode: str = "auto",
        min_delta: float = 0.0,
        best: float | None = None,
        owner: str = "Monitor",
    ) -> None:
        if not isinstance(name, str):
            raise TypeError(f"monitor must be a name, 'val_loss' say. Received: monitor={name!r}")
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be auto, min or max. Received: mode={mode!r}")
        rises = mode == "max" or (mode == "auto" and any(part in name for part in _RISE))
        if mode == "auto" and not rises and not any(part in name for part in _FALL):
            raise ValueError(
                f"mode='auto' can't tell whether {name!r} should rise or fall: give mode='max' or "
                "mode='min'"
            )
        number(owner, "min_delta", min_delta)
        if best is not None:
            number(owner, "the value to beat", best)
        self.owner = owner
        self.name, self.sign, self.min_delta = name, -1 if rises else 1, abs(min_delta)
        self.reset(best)

    def reset(self, best: float | None = None) -> None:
        """Forget the best value."""
        self.best = self.sign * math.inf if best is None else best

    def value(self, logs: Logs | None) -> float | None:
        """The watched value; None, with a warning, when it is not among the logs.

        Raises:
            TypeError: for a value that is no number.
        """
        value = (logs or {}).get(self.name)
        if value is None:
            known = ", ".join(logs or {})
            warnings.warn(
                f"{self.name!r} is monitored but not there. Available: {known}", stacklevel=3
            )
            return None
        return number(self.owner, f"the monitored {self.name!r}", value)

    def improves(self, value: float, best: float | None = None) -> bool:
        """Whether `value` beats the best (or another) by more than `min_delta`."""
        best = self.best if best is None else best
        # As Keras rounds it: 2.9 is not better than 3.0 by more than 0.1.
        return self.sign * value + self.min_delta < self.sign * best


def number(owner: str, name: str, value: Any) -> float:
    """The value of an argument or of the logs.

    Raises:
        TypeError: naming it, if it is not one number.
    """
    real = isinstance(value, (int, float, np.number)) or np.shape(value) == ()
    if isinstance(value, str) or not real or np.asarray(value).dtype.kind not in "buif":
        raise TypeError(f"{owner}: {name} must be a number. Received: {value!r}")
    return value if isinstance(value, (int, float)) else float(value)
