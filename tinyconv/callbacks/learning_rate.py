"""Callbacks that set the learning rate between epochs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from tinyconv.callbacks.base import Callback, Logs
from tinyconv.callbacks.monitor import Monitor, number
from tinyconv.optimizers.schedules import LearningRateSchedule


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch; the logs get `learning_rate`.

    Args:
        schedule: called with the epoch, from 0, and the rate now; returns the new rate. One
            that takes the epoch alone will do.
        verbose: 1 prints the rate.

    Raises:
        ValueError: if the schedule returns something that is not a float.
        TypeError: for a schedule that can't be called, and if the optimizer follows a schedule
            of its own.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(
                "LearningRateScheduler: schedule must be a function of the epoch, and the rate. "
                f"Received: {schedule!r}"
            )
        self.schedule, self.verbose = schedule, verbose
        self._set_for: int | None = None  # the epoch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Look at the optimizer before training does."""
        _require_plain_rate(self)
        self._set_for = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Ask the schedule."""
        if self._set_for == epoch:  # resumed in the middle of this epoch
            return
        old = self.model.optimizer.learning_rate
        rate = self.schedule(epoch, old) if _takes_two(self.schedule) else self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(
                f"LearningRateScheduler: the schedule must return a float. Received: {rate!r}"
            )
        self.model.optimizer.learning_rate = float(rate)
        self._set_for = epoch
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is {rate:g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Add the rate to the logs."""
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate

    def get_state(self) -> Logs:
        """The epoch that the rate was set for."""
        return {"set_for": self._set_for}

    def set_state(self, state: Logs) -> None:
        """In the middle of an epoch the rate is set already."""
        self._set_for = state["set_for"]


class ReduceLROnPlateau(Callback):
    """Multiplies the learning rate by `factor` after `patience` epochs without improvement.

    Args:
        monitor: name of the watched value.
        factor: new rate / old rate, below 1.
        patience: epochs to wait.
        verbose: 1 prints a new rate.
        mode: "min", "max" or "auto" (by the name).
        min_delta: the least change that counts as improvement.
        cooldown: epochs after a reduction in which nothing is counted.
        min_lr: the least rate.

    Raises:
        ValueError: for a factor of 1 or more.
        TypeError: for what is no number, and if the optimizer follows a schedule of its own.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        given = {"patience": patience, "cooldown": cooldown, "min_lr": min_lr, "factor": factor}
        for name, value in given.items():
            number("ReduceLROnPlateau", name, value)
        if not 0 < factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be in (0, 1). Received: {factor}")
        self.monitor = Monitor(monitor, mode, min_delta, owner="ReduceLROnPlateau")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start the watch anew."""
        _require_plain_rate(self)
        self.monitor.reset()
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare with the best so far; the logs get `learning_rate`, as it was this epoch."""
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate
        value = self.monitor.value(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.monitor.improves(value):
            self.monitor.best, self.wait = value, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        rate = self.model.optimizer.learning_rate
        if rate <= self.min_lr:
            return
        rate = max(rate * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = rate
        self.cooldown_counter, self.wait = self.cooldown, 0
        if self.verbose:
            print(f"Epoch {epoch + 1}: the learning rate is reduced to {rate:g}")

    def in_cooldown(self) -> bool:
        """Whether a reduction was made a short time ago."""
        return self.cooldown_counter > 0

    def get_state(self) -> Logs:
        """The best so far, and the two counters."""
        counters = {"wait": self.wait, "cooldown_counter": self.cooldown_counter}
        return {"best": self.monitor.best, **counters}

    def set_state(self, state: Logs) -> None:
        """Go on waiting from there."""
        self.monitor.best = state["best"]
        self.wait, self.cooldown_counter = state["wait"], state["cooldown_counter"]

    @property
    def best(self) -> float:
        """The best value so far."""
        return self.monitor.best


def _require_plain_rate(callback: Callback) -> None:
    """Raise TypeError for an optimizer whose rate is not for a callback to set."""
    rate = getattr(callback.model.optimizer, "_learning_rate", None)
    if isinstance(rate, LearningRateSchedule):
        raise TypeError(
            f"{type(callback).__name__} sets the learning rate, which this optimizer takes from "
            f"a {type(rate).__name__}: compile the model with a number instead"
        )


def _takes_two(schedule: Callable[..., Any]) -> bool:
    """Whether it can be called with epoch and rate."""
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a built-in does not tell
        return True
    return True
