"""Going on after a crash as if there had been none."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from tinyconv.callbacks.backup_form import read_backup
from tinyconv.callbacks.base import Callback, Logs
from tinyconv.callbacks.state_file import check_plain, write_state
from tinyconv.callbacks.training_state import check_state, restore_state, training_state
from tinyconv.registry import serialize
from tinyconv.saving.atomic import atomic_path
from tinyconv.saving.errors import FileError, written_by


class BackupAndRestore(Callback):
    """Keeps all that a training is made of in a file, and goes on from it after a crash.

    A program that was killed, whenever it was, is simply started again: its `fit` finds the
    backup and goes on bit for bit as the run that was never killed. It is called after the
    other callbacks, whose state it keeps too. When the training ends the backup is deleted.

    Args:
        backup_dir: folder of its own for the backup.
        save_freq: "epoch", or the number of steps from one backup to the next.
        double_checkpoint: whether to keep the backup before the last as well, and to take it,
            with a warning, if the last is damaged.
        delete_checkpoint: False keeps the backup after the training: `fit` then has nothing
            left to do.

    Raises:
        ValueError: if `backup_dir` is empty, or `save_freq` neither "epoch" nor positive.
        FileError: (a ValueError) when training starts, for a backup that is damaged or of
            another model; the model is then left as it was.
        TypeError: when training starts, for a callback or metric whose state can't be kept.

    Source: Keras' class of that name, whose files hold less: they lose shuffle order, dropout,
    metrics, history and the other callbacks.
    """

    place = 2

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        if not os.fspath(backup_dir):
            raise ValueError("backup_dir must name a folder. Received: an empty name")
        self.save_freq = checked_frequency(save_freq)
        self.backup_dir = Path(backup_dir)
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self.file = self.backup_dir / "backup.npz"
        self.previous = self.backup_dir / "backup.previous.npz"

    # ---- restore --------------------------------------------------------------

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Go on from the backup, if there is one."""
        self._since_backup = 0
        self._again: tuple[Path, Logs] | None = None
        self._started_with = serialize(self.model.optimizer._learning_rate)
        for owner in (*self._others(), *self.model.metrics):
            _check_kept(owner)
        with written_by("BackupAndRestore", self.backup_dir):
            self.backup_dir.mkdir(parents=True, exist_ok=True)
        for left in self.backup_dir.glob(f".{self.file.name}.*.tmp"):
            left.unlink(missing_ok=True)  # of a backup that was killed while it was written
        found = self._read()
        if found is None:
            return
        file, state = found
        check_state(file, state, self.model, self._others(), self.params)
        restore_state(file, state, self.model, self._others())
        self._started_with = state["optimizer"]["started_with"]
        if self.model.position.step:
            self._again = found

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """In the middle of an epoch, undo what the other callbacks have begun anew."""
        if self._again is not None:
            restore_state(*self._again, self.model, self._others())
            self._again = None

    def _read(self) -> tuple[Path, dict[str, Any]] | None:
        if not self.file.exists():
            # A kill between the two renamings of a double backup leaves the older one alone.
            return (self.previous, read_backup(self.previous)) if self.previous.exists() else None
        try:
            return self.file, read_backup(self.file)
        except FileError as error:
            if not (self.double_checkpoint and self.previous.exists()):
                raise FileError(f"{error}. Delete it to start anew") from error
            warnings.warn(f"{error}. Going on from {self.previous}", stacklevel=4)
            return self.previous, read_backup(self.previous)

    # ---- back up --------------------------------------------------------------

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A backup every `save_freq` steps."""
        if self.save_freq == "epoch":
            return
        self._since_backup += 1
        if self._since_backup >= int(self.save_freq):
            self._save()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Or one an epoch."""
        if self.save_freq == "epoch":
            self._save()

    def on_train_end(self, logs: Logs | None = None) -> None:
        """All is done: the backup is no longer needed."""
        if self.delete_checkpoint:
            self.delete()

    def delete(self) -> None:
        """Remove the backup, and its folder if nothing else is in it."""
        self.file.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)
        if self.backup_dir.is_dir() and not any(self.backup_dir.iterdir()):
            self.backup_dir.rmdir()

    def _save(self) -> None:
        # Once training is told to stop, the backup before is the one to go on from: it
        # comes to the same decision, while one made now would have to say "all but over".
        if self.model.stop_training:
            return
        self._since_backup = 0
        state = training_state(self.model, self._others(), self.params, self._started_with)
        with written_by("BackupAndRestore", self.file), atomic_path(self.file) as temporary:
            write_state(temporary, state)
            if self.double_checkpoint and self.file.exists():
                os.replace(self.file, self.previous)

    def _others(self) -> list[Callback]:
        return [callback for callback in self.siblings if callback is not self]


def _check_kept(owner: Any) -> None:
    """Raise TypeError now for a state that could not be written after the first epoch."""
    try:
        check_plain(owner.get_state(), "state")
    except (AttributeError, KeyError):
        return  # it has nothing to tell before the first step
    except TypeError as error:
        raise TypeError(
            f"BackupAndRestore can't keep {owner!r}: {error}. Let its get_state return what "
            "set_state needs, in these kinds"
        ) from error


def checked_frequency(frequency: Any, name: str = "save_freq") -> str | int:
    """The argument of that name: "epoch" or a positive number of steps.

    Raises:
        ValueError: for anything else.
    """
    number = isinstance(frequency, int) and not isinstance(frequency, bool) and frequency > 0
    if frequency != "epoch" and not number:
        raise ValueError(
            f'{name} must be "epoch" or a positive number of steps. Received: {frequency!r}'
        )
    return frequency
