"""The files that TensorBoard reads, by TensorBoard's own package; TensorFlow is not needed."""

from __future__ import annotations

import itertools
import os
import socket
import time
from pathlib import Path
from typing import Any

from tinyconv.backends.base import Array
from tinyconv.saving.errors import written_by

_numbers = itertools.count()


def tensorboard_parts() -> Any:
    """What is used of TensorBoard: (Event, RecordWriter, scalar_pb, histogram_pb, summary_pb2).

    Raises:
        ImportError: if it is missing, saying how to get it.
    """
    try:
        from tensorboard.compat.proto import summary_pb2
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.histogram.summary_v2 import histogram_pb
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        message = f'TensorBoard logs need: pip install "tinyconv[tensorboard]" ({error})'
        raise ImportError(message) from None
    return Event, RecordWriter, scalar_pb, histogram_pb, summary_pb2


class EventFile:
    """One new file of events in `folder`, which is made if need be.

    What is added is on its way to the disk after `flush`, so that TensorBoard sees it.
    """

    def __init__(self, folder: Path) -> None:
        self._event, writer, self._scalar, self._histogram, self._summary = tensorboard_parts()
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}"
        self.path = folder / f"{name}.{next(_numbers)}.v2"
        self._records = writer(open(self.path, "xb"))  # noqa: SIM115
        self._write(file_version="brain.Event:2")

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Add one number."""
        self._write(step=step, summary=self._scalar(tag, float(value)))

    def histogram(self, tag: str, values: Array, step: int) -> None:
        """Add the distribution of some values."""
        self._write(step=step, summary=self._histogram(tag, values))

    def text(self, tag: str, text: str, plugin: str) -> None:
        """Add a string, at step 0, for a plugin of TensorBoard."""
        summary = self._summary.Summary()
        value = summary.value.add(tag=tag)
        value.metadata.plugin_data.plugin_name = plugin
        value.metadata.plugin_data.content = b"1"  # version of the plugin's format
        value.tensor.dtype = 7  # DT_STRING
        value.tensor.tensor_shape.SetInParent()  # a scalar
        value.tensor.string_val.append(text.encode())
        self._write(summary=summary)

    def flush(self) -> None:
        """Let readers see what was added."""
        with written_by("TensorBoard", self.path):
            self._records.flush()

    def close(self) -> None:
        """End the file."""
        with written_by("TensorBoard", self.path):
            self._records.close()

    def _write(self, **event: Any) -> None:
        event = self._event(wall_time=time.time(), **event)
        with written_by("TensorBoard", self.path):
            self._records.write(event.SerializeToString())  # type: ignore[attr-defined]
