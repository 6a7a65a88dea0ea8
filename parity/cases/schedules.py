"""The learning-rate schedules, step by step, to the end and beyond."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.sides.base import Side

_STEPS = range(26)


def schedule(cls: str, words: str, /, **arguments: Any) -> Case:
    """The rates of 26 steps; the schedules decay over 10 of them."""

    def measure(side: Side, dtype: str) -> Results:
        made = getattr(side.library.optimizers.schedules, cls)(**arguments)
        return {"output": np.asarray(side.rates(made, _STEPS), dtype)}

    return Case("schedules", f"{cls}, {words}", measure, ((cls, arguments),))


def cases() -> list[Case]:
    """All of them."""
    decay = {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}
    ten = {"initial_learning_rate": 0.1, "decay_steps": 10}
    bounds = {"boundaries": [3, 10], "values": [0.1, 0.05, 0.01]}
    warm = {"warmup_target": 0.5, "warmup_steps": 5}
    return [
        schedule("ExponentialDecay", "defaults", **decay),
        schedule("ExponentialDecay", "staircase", **decay, staircase=True),
        schedule("InverseTimeDecay", "defaults", **decay),
        schedule("InverseTimeDecay", "staircase", **decay, staircase=True),
        schedule("PiecewiseConstantDecay", "at and around the boundaries", **bounds),
        schedule("PolynomialDecay", "defaults", **ten),
        schedule("PolynomialDecay", "end_learning_rate", **ten, end_learning_rate=0.02),
        schedule("PolynomialDecay", "power 2", **ten, power=2.0),
        schedule("PolynomialDecay", "power 0.5", **ten, power=0.5, end_learning_rate=0.01),
        schedule("PolynomialDecay", "cycle", **ten, cycle=True),
        schedule("CosineDecay", "defaults", **ten),
        schedule("CosineDecay", "alpha", **ten, alpha=0.1),
        schedule("CosineDecay", "warmup", **ten, **warm),
        schedule("CosineDecay", "warmup, alpha", **ten, **warm, alpha=0.1),
    ]
