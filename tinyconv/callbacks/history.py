"""What happened, epoch by epoch."""

from __future__ import annotations

from tinyconv.callbacks.base import Callback, Logs


class History(Callback):
    """`fit` returns one: `history` maps each name to its values, one an epoch.

    Attributes:
        epoch: the numbers of the epochs.
        history: {"loss": [...], "accuracy": [...], "val_loss": [...], ...}.
        epochs: the epochs of each name's values; with validation_freq=2 those of "val_loss"
            are fewer than those of "loss".
    """

    place = 1

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}
        self.epochs: dict[str, list[int]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Append the epoch's values."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self.epochs.setdefault(name, []).append(epoch)

    def get_state(self) -> Logs:
        """Everything so far."""
        return {"epoch": self.epoch, "history": self.history, "epochs": self.epochs}

    def set_state(self, state: Logs) -> None:
        """Go on from there.

        Raises:
            ValueError: unless every name has a list of values and one of their epochs.
        """
        values, epochs = state["history"], state["epochs"]
        lists = [*values.values(), *epochs.values()]
        if not all(isinstance(each, list) for each in lists) or set(values) != set(epochs):
            raise ValueError("History: expected a list of values and one of epochs for each name")
        self.epoch, self.history, self.epochs = list(state["epoch"]), dict(values), dict(epochs)
