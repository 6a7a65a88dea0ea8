"""What happened, epoch by epoch."""

from __future__ import annotations

from tinyconv.callbacks.base import Callback, Logs


class History(Callback):
    """`fit` returns one: `history` maps each name to its values, one an epoch.

    Attributes:
        epoch: the numbers of the epochs.
        history: {"loss": [...], "accuracy": [...], "val_loss": [...], ...}.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Append the epoch's values."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
