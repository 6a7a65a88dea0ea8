"""A row an epoch."""

from __future__ import annotations

import csv
import os
import reprlib
from collections.abc import Iterable
from io import FileIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.callbacks.base import Callback, Logs
from tinyconv.saving.errors import written_by


class CSVLogger(Callback):
    """Writes the values of each epoch into a CSV file, as they come.

    The columns are, as in Keras, `epoch` (from 0) and the names of the first epoch's values in
    alphabetical order; where they hold no validation a `val_` column for each, too. A value
    that is not there is NA. After a resume (`BackupAndRestore`) no row is lost or doubled.

    Args:
        filename: of the file.
        separator: between two columns.
        append: whether rows are added to a file that exists; else it is overwritten.

    Raises:
        ValueError: if the separator is not one character.
        OSError: naming the file, if it cannot be written.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        if len(separator) != 1:
            raise ValueError(f"separator must be one character. Received: {separator!r}")
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._file: FileIO | None = None
        self._keys: list[str] | None = None
        self._keep = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """See that the file can be written; what is in it goes when the first epoch begins."""
        with written_by("CSVLogger", self.filename), open(self.filename, "ab") as file:
            self._keep = file.tell() if self.append else 0
        self._keys = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Open the file. A resumed training has told by now how much of it stays."""
        self._open()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a row."""
        file, logs = self._open(), logs or {}
        rows: list[list[Any]] = []
        if self._keys is None:
            self._keys = sorted(logs)
            if not any(name.startswith("val_") for name in logs):
                self._keys += [f"val_{name}" for name in self._keys]
            if file.tell() == 0:
                rows.append(["epoch", *self._keys])
        rows.append([epoch, *(_cell(logs.get(name, "NA")) for name in self._keys)])
        self._write(file, rows)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the file."""
        self._open()  # also without an epoch what was there before goes
        self.close()

    def close(self) -> None:
        """Close the file, also after an exception."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> FileIO:
        if self._file is None:
            self._file = FileIO(self.filename, "a")
            self._file.truncate(self._keep)
            self._file.seek(0, os.SEEK_END)
        return self._file

    def _write(self, file: FileIO, rows: list[list[Any]]) -> None:
        """Add whole rows, or none if the disk is full."""
        text = StringIO(newline="")
        csv.writer(text, delimiter=self.separator).writerows(rows)
        left, start = memoryview(text.getvalue().encode()), file.tell()
        with written_by("CSVLogger", self.filename):
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:
                file.truncate(start)
                raise

    def get_state(self) -> Logs:
        """How long the file is; it is on the disk then."""
        if self._file is not None:
            os.fsync(self._file.fileno())
        size = self.filename.stat().st_size if self._file is not None else self._keep
        return {"size": size, "keys": self._keys}

    def set_state(self, state: Logs) -> None:
        """Forget the rows that came after; training writes them again.

        Raises:
            ValueError: if rows are missing, or for what is no such state.
        """
        size, kept, keys = self.filename.stat().st_size, state.get("size"), state.get("keys")
        named = keys is None or (isinstance(keys, list) and all(isinstance(k, str) for k in keys))
        if not named or type(kept) is not int or kept < 0:
            told = reprlib.repr(state)
            raise ValueError(f"CSVLogger: {self.filename}: no state of it. Received: {told}")
        if size < kept:
            raise ValueError(
                f"CSVLogger: {self.filename} has {size} bytes, and had {kept} when the "
                "backup was made: rows are missing. Put the file back, or delete the backup"
            )
        self.close()
        self._keep, self._keys = kept, keys


def _cell(value: Any) -> Any:
    """Several values in one cell: "[1, 2]"."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'
