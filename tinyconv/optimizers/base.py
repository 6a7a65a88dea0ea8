"""What all optimizers share: the learning rate, clipping, weight decay, flat buffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.optimizers import schedules
from tinyconv.optimizers.buffer import ParameterBuffer
from tinyconv.optimizers.schedules import LearningRateSchedule
from tinyconv.registry import Shown, in_effect, serialize
from tinyconv.registry import unsupported as unsupported_argument

_NUMBERS = (int, float, np.number, np.ndarray)  # an array of one number for one


class Optimizer(Shown):
    """Moves the parameters against their gradients.

    One step: clip the gradients, shrink the weights (weight decay), update.

    Args:
        learning_rate: positive number, or a schedule that is called with the step number.
        weight_decay: d shrinks every parameter by lr * d * w before the update.
        clipnorm: largest norm of each parameter's gradient.
        global_clipnorm: largest norm of all gradients together.
        clipvalue: largest magnitude of a single gradient.
        name: shown in logs.
        lr: TensorFlow 2.0's spelling of learning_rate.

    Raises:
        ValueError: for a rate or a limit that is not positive, or more than one limit.
        TypeError: naming an argument that is not supported.
    """

    config_keys: tuple[str, ...] = ()
    _trained: Sequence[tuple[Any, str]] = ()  # (layer, name) of each parameter

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
        lr: float | None = None,
        **unsupported: Any,
    ) -> None:
        self.name = name or type(self).__name__.lower()
        if unsupported := in_effect(unsupported):
            raise unsupported_argument(type(self), type(self).__name__, unsupported)
        limits = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        given = {key: value for key, value in limits.items() if value is not None}
        if len(given) > 1:
            raise ValueError(f"only one of {list(limits)} can be set. Received: {given}")
        for key, value in given.items():
            if not isinstance(value, _NUMBERS) or not value > 0:
                raise ValueError(f"{key} must be positive. Received: {key}={value!r}")
        check_range("weight_decay", weight_decay or 0.0)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.learning_rate = learning_rate if lr is None else lr
        self.iterations = 0
        self.slots: dict[str, Array] = {}

    # ---- learning rate --------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        rate = self._learning_rate
        return rate(self.iterations) if isinstance(rate, LearningRateSchedule) else rate

    @learning_rate.setter
    def learning_rate(self, rate: Any) -> None:
        rate = schedules.get(rate) if isinstance(rate, dict) else rate
        if isinstance(rate, LearningRateSchedule):
            self._learning_rate: float | LearningRateSchedule = rate
            return
        self._learning_rate = check_range("learning_rate", rate)

    @property
    def schedule(self) -> LearningRateSchedule | None:
        """The schedule that makes the rate, if one does."""
        rate = self._learning_rate
        return rate if isinstance(rate, LearningRateSchedule) else None

    lr = learning_rate  # TensorFlow 2.0's spelling

    # ---- one step -------------------------------------------------------------

    def slot_names(self) -> tuple[str, ...]:
        """Names of the running values kept for every parameter."""
        return ()

    def accept(self, variables: Sequence[Any]) -> None:
        """Take these variables, unless earlier steps were those of others.

        Raises:
            ValueError: if the slots, or without any all of the steps, are those of others.
        """
        trained = [(variable.layer, variable.name) for variable in variables]
        if self._trained and (self.slots or self.iterations):
            shared = any(each in self._trained for each in trained)
            if trained != self._trained if self.slots else not shared:
                raise self._made_for_others()
        self._trained = trained

    def _made_for_others(self) -> ValueError:
        return ValueError(
            f"{self.name}: made for other parameters; compile the model with a new optimizer"
        )

    def build(self, buffer: ParameterBuffer) -> None:
        """Make the slots, zero, for these parameters."""
        xp = get_backend().xp
        self.slots = {name: xp.zeros_like(buffer.values) for name in self.slot_names()}

    def apply(self, buffer: ParameterBuffer) -> None:
        """One step for the gradients in the buffer; the buffer's values change in place.

        Raises:
            ValueError: if the slots were made for other parameters.
        """
        if not self.slots and self.slot_names():
            self.build(buffer)
        if any(slot.shape != buffer.values.shape for slot in self.slots.values()):
            raise self._made_for_others()
        self._clip(buffer)
        backend, decay = get_backend(), self.weight_decay
        rate = backend.each_step(lambda: self.learning_rate)
        if decay:
            kept = backend.each_step(lambda: 1 - decay * self.learning_rate)
            backend.shrink(buffer.values, kept)
        self.update(buffer.values, buffer.gradients, rate)
        self.iterations += 1

    def update(self, param: Array, grad: Array, learning_rate: Any) -> None:
        """Change `param` and the slots in place, all flat; see `Backend.each_step`."""
        raise TypeError(f"{type(self).__name__} defines no update")

    def _clip(self, buffer: ParameterBuffer) -> None:
        if self.clipvalue:
            np.clip(buffer.gradients, -self.clipvalue, self.clipvalue, out=buffer.gradients)
        elif self.clipnorm:
            for gradient in buffer.gradient_views:
                _shrink(gradient, self.clipnorm)
        elif self.global_clipnorm:
            _shrink(buffer.gradients, self.global_clipnorm)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        keys = ("name", "weight_decay", "clipnorm", "clipvalue", "global_clipnorm")
        config = {key: getattr(self, key) for key in (*keys, *self.config_keys)}
        return {**config, "learning_rate": serialize(self._learning_rate)}


def check_range(name: str, value: float, below: float = float("inf")) -> float:
    """The value, if it is in [0, below); else ValueError naming it."""
    if not isinstance(value, _NUMBERS) or not 0 <= value < below:
        limit = f"in [0, {below:g})" if below < float("inf") else "a finite number >= 0"
        raise ValueError(f"{name} must be {limit}. Received: {name}={value!r}")
    return float(value)


def _shrink(gradient: Array, limit: float) -> None:
    """gradient *= limit / norm where the norm is greater than the limit."""
    backend = get_backend()
    norm = backend.number(np.sqrt(np.square(gradient, dtype="float64").sum()))
    if not isinstance(norm, float):  # a device that nobody waits for
        gradient *= limit / backend.xp.fmax(norm, limit)
    elif norm > limit:
        gradient *= limit / norm
