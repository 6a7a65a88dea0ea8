"""Learning rates that change with the step number, as in Keras."""

from __future__ import annotations

import math
from typing import Any

from tinyconv import registry


class LearningRateSchedule:
    """Called with the number of steps taken, returns the rate of the next.

    To make one, define `__call__(step)` and set `config_keys`.
    """

    config_keys: tuple[str, ...] = ()

    def __call__(self, step: int) -> float:
        raise TypeError(f"{type(self).__name__} defines no __call__(step)")

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {key: getattr(self, key) for key in self.config_keys}


class ExponentialDecay(LearningRateSchedule):
    """rate = initial * decay_rate ^ (step / decay_steps); `staircase` rounds the exponent down."""

    config_keys = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(decay_steps)
        self.decay_rate, self.staircase = decay_rate, staircase

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate * self.decay_rate ** _progress(self, step)


class InverseTimeDecay(ExponentialDecay):
    """rate = initial / (1 + decay_rate * step / decay_steps)."""

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * _progress(self, step))


class PiecewiseConstantDecay(LearningRateSchedule):
    """rate = values[i] up to and including step boundaries[i], then values[i + 1].

    Raises:
        ValueError: unless there is one value more than boundaries.
    """

    config_keys = ("boundaries", "values")

    def __init__(self, boundaries: list[int], values: list[float]) -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                "values must be one more than boundaries. "
                f"Received: {len(values)} values, {len(boundaries)} boundaries"
            )
        self.boundaries, self.values = list(boundaries), list(values)

    def __call__(self, step: int) -> float:
        return self.values[sum(step > boundary for boundary in self.boundaries)]


class PolynomialDecay(LearningRateSchedule):
    """rate = (initial - end) * (1 - step / decay_steps) ^ power + end, constant afterwards.

    `cycle` starts anew with decay_steps doubled, tripled, ... instead.
    """

    config_keys = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle")

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive(decay_steps)
        self.end_learning_rate, self.power, self.cycle = end_learning_rate, power, cycle

    def __call__(self, step: int) -> float:
        steps = self.decay_steps
        if self.cycle:
            steps *= max(1, math.ceil(step / steps))
        left = 1 - min(step, steps) / steps
        span = self.initial_learning_rate - self.end_learning_rate
        return span * left**self.power + self.end_learning_rate


class CosineDecay(LearningRateSchedule):
    """rate = initial * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha).

    With `warmup_target` the rate first rises in a line to it during `warmup_steps`.
    Source: Loshchilov & Hutter 2017, "SGDR", equation 5.
    """

    config_keys = (
        "initial_learning_rate", "decay_steps", "alpha", "warmup_target", "warmup_steps",
    )  # fmt: skip

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps, self.alpha = _positive(decay_steps), alpha
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: int) -> float:
        top, past = self.initial_learning_rate, step
        if self.warmup_target is not None:
            if step < self.warmup_steps:
                return top + (self.warmup_target - top) * step / self.warmup_steps
            top, past = self.warmup_target, step - self.warmup_steps
        wave = (1 + math.cos(math.pi * min(past, self.decay_steps) / self.decay_steps)) / 2
        return top * ((1 - self.alpha) * wave + self.alpha)


def get(config: dict[str, Any]) -> LearningRateSchedule:
    """A schedule from {"class_name", "config"}, as an optimizer's config holds it.

    Raises:
        ValueError: for an unknown name.
    """
    table = {cls.__name__: cls for cls in _CLASSES}
    schedule: LearningRateSchedule = registry.lookup(config, table, "schedule")
    return schedule


_CLASSES = (
    ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay, CosineDecay,
)  # fmt: skip


def _positive(decay_steps: int) -> int:
    if decay_steps <= 0:
        raise ValueError(f"decay_steps must be positive. Received: decay_steps={decay_steps}")
    return decay_steps


def _progress(schedule: ExponentialDecay, step: int) -> float:
    """step / decay_steps, rounded down for a staircase."""
    progress = step / schedule.decay_steps
    return math.floor(progress) if schedule.staircase else progress
