"""Stop when nothing improves any more."""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.callbacks.base import Callback, Logs
from tinyconv.callbacks.monitor import Monitor, number

_KEPT = ("wait", "stopped_epoch", "best_epoch", "best_weights")


class EarlyStopping(Callback):
    """Ends the training after `patience` epochs without improvement.

    Args:
        monitor: name of the watched value.
        min_delta: the least change that counts as improvement.
        patience: epochs to wait.
        verbose: 1 prints why training ended.
        mode: "min", "max" or "auto" (by the name).
        baseline: value to beat from the start.
        restore_best_weights: whether the model gets the best epoch's weights back.
        start_from_epoch: epochs before the watch begins.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        number("EarlyStopping", "patience", patience)
        number("EarlyStopping", "start_from_epoch", start_from_epoch)
        if baseline is not None:
            number("EarlyStopping", "baseline", baseline)
        self.monitor = Monitor(monitor, mode, min_delta, owner="EarlyStopping")
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start the watch anew."""
        self.monitor.reset()
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best_weights: list[Array] | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare with the best so far; stop when the patience is used up."""
        value = self.monitor.value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        improved = self.monitor.improves(value)
        if improved:
            self.monitor.best = value
        if self.restore_best_weights and (improved or self.best_weights is None):
            self.best_weights = self.model.get_weights()
        if improved:
            self.best_epoch = epoch
        # To better its own best is not enough while the baseline is not beaten.
        beaten = self.baseline is None or self.monitor.improves(value, self.baseline)
        self.wait = 0 if improved and beaten else self.wait + 1
        if not improved and self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Give the best weights back, and say what happened."""
        messages = []
        if self.stopped_epoch:
            messages.append(f"Stopped after epoch {self.stopped_epoch + 1}: no improvement")
        if self.best_weights is not None:
            self.model.set_weights(self.best_weights)
            messages.append(f"Restored the weights of epoch {self.best_epoch + 1}")
        if self.verbose and messages:
            print(". ".join(messages))

    def get_state(self) -> Logs:
        """The best so far, and how long ago it was."""
        return {"best": self.monitor.best, **{name: getattr(self, name) for name in _KEPT}}

    def set_state(self, state: Logs) -> None:
        """Go on waiting from there.

        Raises:
            ValueError: for best weights of another model.
        """
        best = state["best_weights"]
        shapes = [variable.shape for variable in self.model.weights]
        if best is not None and [np.shape(each) for each in best] != shapes:
            raise ValueError("EarlyStopping: its best weights are not of this model")
        self.monitor.best = state["best"]
        for name in _KEPT:
            setattr(self, name, state[name])

    @property
    def best(self) -> float:
        """The best value so far."""
        return self.monitor.best
