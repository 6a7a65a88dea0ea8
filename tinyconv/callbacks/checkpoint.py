"""Saving the model while it trains."""

from __future__ import annotations

import os
import string
import tempfile
import warnings
from pathlib import Path

from tinyconv.callbacks.backup import checked_frequency
from tinyconv.callbacks.base import Callback, Logs
from tinyconv.callbacks.monitor import Monitor, number
from tinyconv.saving.errors import written_by

_WEIGHTS = ".weights.h5"
_MODELS = (".keras", ".h5")
_ALL = " Without it every model is saved, the best or not"  # as Keras does


class ModelCheckpoint(Callback):
    """Saves the model, or its weights, after each epoch or every so many steps.

    Args:
        filepath: may hold {epoch}, {batch} and the names of the logs:
            "{epoch:02d}-{val_loss:.2f}.keras". It ends in .weights.h5 for weights alone, else
            in .keras or .h5.
        monitor: name of the value that tells the best.
        verbose: 1 prints what is done.
        save_best_only: whether only a model that is better than all before is saved.
        save_weights_only: `model.save_weights` instead of `model.save`.
        mode: "min", "max" or "auto" (by the name).
        save_freq: "epoch", or the number of steps from one to the next.
        initial_value_threshold: a value that the best has to beat from the start.

    Raises:
        ValueError: for another ending, mode or save_freq.
        OSError: when training begins, if the folder cannot be made or the path is a folder.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        self.filepath = os.fspath(filepath)
        self.monitor = Monitor(monitor, mode, best=initial_value_threshold, owner="ModelCheckpoint")
        self.verbose, self.save_best_only = verbose, save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = checked_frequency(save_freq)
        endings = (_WEIGHTS,) if save_weights_only else _MODELS
        if not self.filepath.endswith(endings):
            raise ValueError(
                f"ModelCheckpoint: filepath must end in {' or '.join(endings)} where "
                f"save_weights_only={save_weights_only}. Received: {self.filepath}"
            )
        try:
            self._fields = {field for _, field, _, _ in string.Formatter().parse(self.filepath)}
        except ValueError as error:
            raise ValueError(f"ModelCheckpoint: filepath {self.filepath!r}: {error}") from None
        self._steps = self._epoch = 0
        self._told = False  # that the monitored value is not there

    # ---- early words ------------------------------------------------------------

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Find out now what would go wrong at the end of an epoch."""
        self._steps = 0
        folder = Path(self.filepath).parent
        if "{" not in str(folder):
            with written_by("ModelCheckpoint", self.filepath):
                folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()  # permissions alone don't tell
        if Path(self.filepath).is_dir():
            raise IsADirectoryError(f"ModelCheckpoint: {self.filepath} is a folder")
        names = list(getattr(self.model, "metrics_names", ()))
        validated = [f"val_{name}" for name in names]
        added = {*names, *validated, "learning_rate"}  # the rate by LearningRateScheduler, say
        fields = {field.split(".")[0].split("[")[0] for field in self._fields if field}
        wanted = {self.monitor.name} if self.save_best_only else set()
        unknown = (wanted | fields - {"epoch", "batch"}) - added
        for name in sorted(unknown):
            warnings.warn(
                f"ModelCheckpoint: no value called {name!r} is known, unless another callback "
                f"adds it to the logs. Known: {', '.join(names)}; with validation data also "
                f"{', '.join(validated)}.{_ALL if name in wanted else ''}",
                stacklevel=4,
            )
        self._told = bool(wanted & unknown)

    # ---- saving -----------------------------------------------------------------

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Remember the epoch for the file's name."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Save every `save_freq` steps."""
        if self.save_freq == "epoch":
            return
        self._steps += 1
        if self._steps >= int(self.save_freq):
            self._steps = 0
            self._consider(self._epoch, {"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Save after each epoch."""
        if self.save_freq == "epoch":
            self._consider(epoch, logs or {})

    def _consider(self, epoch: int, logs: Logs) -> None:
        """Save, if it is time and the model good enough."""
        path = self._path(epoch, logs)
        if self.save_best_only:
            value = logs.get(self.monitor.name)
            if value is None and not self._told:
                self._told = True
                warnings.warn(
                    f"ModelCheckpoint: {self.monitor.name!r} is monitored but not there. "
                    f"Available: {', '.join(logs)}.{_ALL}",
                    stacklevel=5,
                )
            if value is not None:
                value = number("ModelCheckpoint", f"the monitored {self.monitor.name!r}", value)
                if not self.monitor.improves(value):
                    self._say(
                        epoch, f"{self.monitor.name} {value:.5g} is not better than {self.best:.5g}"
                    )
                    return
                self.monitor.best = value
        if Path(path).is_dir():
            raise IsADirectoryError(f"ModelCheckpoint: {path} is a folder")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        save = self.model.save_weights if self.save_weights_only else self.model.save
        save(path, overwrite=True)
        self._say(epoch, f"saved to {path}")

    def _path(self, epoch: int, logs: Logs) -> str:
        try:
            return self.filepath.format(**{"epoch": epoch + 1, **logs})
        except (KeyError, IndexError) as error:
            raise ValueError(
                f"ModelCheckpoint: filepath {self.filepath!r} asks for {error}. "
                f"Available: epoch, {', '.join(logs)}"
            ) from None
        except (ValueError, TypeError) as error:
            raise ValueError(f"ModelCheckpoint: filepath {self.filepath!r}: {error}") from None

    def _say(self, epoch: int, what: str) -> None:
        if self.verbose:
            print(f"Epoch {epoch + 1}: {what}")

    # ---- state ------------------------------------------------------------------

    @property
    def best(self) -> float:
        """The best value so far."""
        return self.monitor.best

    def get_state(self) -> Logs:
        """The best value, and the steps since the last save."""
        return {"best": self.monitor.best, "steps": self._steps}

    def set_state(self, state: Logs) -> None:
        """Go on from there."""
        self.monitor.best, self._steps = state["best"], state["steps"]
