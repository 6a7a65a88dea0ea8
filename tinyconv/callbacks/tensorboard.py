"""Curves and histograms for TensorBoard."""

from __future__ import annotations

import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

from tinyconv.backends import get_backend
from tinyconv.callbacks.backup import checked_frequency
from tinyconv.callbacks.base import Callback, Logs
from tinyconv.callbacks.event_file import EventFile, tensorboard_parts
from tinyconv.saving.errors import written_by

_ONLY = {
    "write_images": False,
    "profile_batch": 0,
    "embeddings_freq": 0,
    "embeddings_metadata": None,
}


class TensorBoard(Callback):
    """Writes event files as Keras does: `tensorboard --logdir logs` shows them while they grow.

    In `train/` and `validation/` below `log_dir`: epoch_loss, epoch_accuracy, ... (by epoch),
    epoch_learning_rate, batch_loss, ... (by step), evaluation_loss_vs_iterations, ..., and of
    each weight conv2d/kernel/histogram.

    Args:
        log_dir: folder of this run.
        histogram_freq: epochs from one histogram of the weights to the next; 0 for none.
        write_graph: whether the layers of the model are described.
        write_steps_per_second: whether the speed is written.
        update_freq: "epoch", or "batch" or a number of steps for values within an epoch.
        unsupported: write_images, profile_batch, embeddings_freq, embeddings_metadata: as
            Keras' default only.

    Raises:
        TypeError: naming an argument that is not supported.
        ImportError: if the package `tensorboard` is missing.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: str | int = "epoch",
        profile_batch: int = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        tensorboard_parts()  # a missing package is told now
        given = (write_images, profile_batch, embeddings_freq, embeddings_metadata)
        for (name, only), value in zip(_ONLY.items(), given, strict=True):
            if value != only:
                raise TypeError(
                    f"TensorBoard: argument {name!r} is supported as {only!r} only. "
                    f"Received: {name}={value!r}"
                )
        if not isinstance(histogram_freq, int) or histogram_freq < 0:
            raise ValueError(
                "TensorBoard: histogram_freq must be 0 or more epochs. "
                f"Received: {histogram_freq!r}"
            )
        self.log_dir, self.histogram_freq = Path(log_dir), histogram_freq
        self.write_graph, self.write_steps_per_second = write_graph, write_steps_per_second
        self.update_freq = checked_frequency(
            1 if update_freq == "batch" else update_freq, "update_freq"
        )
        self._files: dict[str, EventFile] = {}
        self._earlier: dict[str, int] = {}  # files of the run that this one resumes
        self._steps = 0

    # ---- files ------------------------------------------------------------------

    def _file(self, part: str) -> EventFile:
        if part not in self._files:
            with written_by("TensorBoard", self.log_dir):
                self._files[part] = EventFile(self.log_dir / part)
        return self._files[part]

    def _scalars(self, part: str, values: Logs, step: int) -> None:
        if values:
            file = self._file(part)
            for tag, value in values.items():
                file.scalar(tag, value, step)
            file.flush()

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files = {}

    # ---- training ---------------------------------------------------------------

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """A file, with a description of the model."""
        self._steps, self._earlier = 0, {}
        file = self._file("train")
        if self.write_graph:
            from tinyconv.saving.to_keras import layer_entry

            try:
                text = json.dumps(layer_entry(self.model))
            except (TypeError, ValueError) as error:  # a layer of the user's own, say
                warnings.warn(f"TensorBoard: no graph of {self.model!r}: {error}", stacklevel=4)
            else:
                file.text("keras", text, "graph_keras_model")
        file.flush()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Start the clock."""
        self._began, self._iterations = time.perf_counter(), self.model.optimizer.iterations

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Start the other clock."""
        self._step_began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """The running means within an epoch."""
        self._steps += 1
        if self.update_freq == "epoch" or self._steps % int(self.update_freq):
            return
        values = {f"batch_{name}": value for name, value in (logs or {}).items()}
        if self.write_steps_per_second:
            values["batch_steps_per_second"] = 1 / (time.perf_counter() - self._step_began)
        self._scalars("train", values, self._steps)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """The values of the epoch, and the histograms."""
        parts: dict[str, Logs] = {"train": {}, "validation": {}}
        for name, value in (logs or {}).items():
            part = "validation" if name.startswith("val_") else "train"
            parts[part][f"epoch_{name.removeprefix('val_')}"] = value
        parts["train"]["epoch_learning_rate"] = self.model.optimizer.learning_rate
        if self.write_steps_per_second:
            steps = self.model.optimizer.iterations - self._iterations
            seconds = time.perf_counter() - self._began
            parts["train"]["epoch_steps_per_second"] = steps / seconds
        for part, values in parts.items():
            self._scalars(part, values, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            from tinyconv.models import Sequential

            # Keras' path of a weight begins with the model that built its layer.
            builder = f"{self.model.name}/" if isinstance(self.model, Sequential) else ""
            file = self._file("train")
            for weight in self.model.weights:
                array = get_backend().to_numpy(weight.value)
                file.histogram(f"{builder}{weight.path}/histogram", array, epoch)
            file.flush()

    def on_test_end(self, logs: Logs | None = None) -> None:
        """The result of an evaluation, by the steps that the model has been trained."""
        values = {f"evaluation_{name}_vs_iterations": x for name, x in (logs or {}).items()}
        self._scalars("validation", values, self.model.optimizer.iterations)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the files."""
        self.close()

    # ---- state ------------------------------------------------------------------

    def get_state(self) -> Logs:
        """The step, and how long the files are."""
        files = dict(self._earlier)
        for part, file in self._files.items():
            file.flush()
            files[f"{part}/{file.path.name}"] = file.path.stat().st_size
        return {"steps": self._steps, "files": files}

    def set_state(self, state: Logs) -> None:
        """Cut off what the earlier run wrote after the backup; training writes it again."""
        self._steps, self._earlier = state["steps"], dict(state["files"])
        for name, size in self._earlier.items():
            part, _, file = name.partition("/")
            path = self.log_dir / Path(part).name / Path(file).name
            if path.is_file() and path.stat().st_size > size:
                os.truncate(path, size)
