"""Rows of features by key: in memory up to a limit, then on the disk."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from tinyconv.backends.base import Array

MEMORY_LIMIT = 1 << 30  # bytes; what is more goes to a temporary file
DISK_RESERVE = 1 << 30  # bytes that stay free on the disk, for what the training writes itself

Kind = tuple[tuple[str, tuple[int, ...]], ...]  # dtype and shape of each feature of a sample


class FeatureStore:
    """What was computed of each sample, under a key of its bytes.

    The temporary file has no name where the system allows that, so nothing is left of it,
    however the process ends. It is read and written, not mapped: a full disk is an OSError
    and not the end of the process.

    Args:
        limit: bytes to keep in memory.
        folder: for the temporary file; None takes the system's.
    """

    def __init__(self, limit: int, folder: Path | None = None) -> None:
        self.limit, self.folder = limit, folder or Path(tempfile.gettempdir())
        self.kinds: list[Kind] = []
        self._rows: dict[bytes, tuple[int, bytes | int]] = {}  # kind; bytes or place in the file
        self._file: IO[bytes] | None = None
        self.in_memory = self.on_disk = 0  # bytes

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: bytes) -> list[Array] | None:
        """The features of a sample, without the batch axis; None where they are not known."""
        if key not in self._rows:
            return None
        kind, content = self.raw(key)
        arrays, start = [], 0
        for dtype, shape in self.kinds[kind]:
            arrays.append(
                np.frombuffer(content, dtype, math.prod(shape), offset=start).reshape(shape)
            )
            start += arrays[-1].nbytes
        return arrays

    def add(self, key: bytes, features: Sequence[Array]) -> None:
        """Keep a sample.

        Raises:
            OSError: if the disk is all but full; the rows so far are untouched.
        """
        kind = tuple((each.dtype.str, each.shape) for each in features)
        self.add_raw(key, self.number_of(kind), b"".join(each.tobytes() for each in features))

    def number_of(self, kind: Kind) -> int:
        """The number that stands for dtypes and shapes."""
        if kind not in self.kinds:
            self.kinds.append(kind)
        return self.kinds.index(kind)

    def size_of(self, kind: int) -> int:
        """Bytes of a row."""
        return size_of(self.kinds[kind])

    def add_raw(self, key: bytes, kind: int, content: bytes) -> None:
        """Keep a row as it stands in a file."""
        if self.in_memory + len(content) <= self.limit:
            self._rows[key] = kind, content
            self.in_memory += len(content)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(  # noqa: SIM115  (closed by `clear`)
                buffering=0, prefix="tinyconv-features-", dir=self.folder
            )
        if shutil.disk_usage(self.folder).free < DISK_RESERVE + len(content):
            raise OSError(errno.ENOSPC, f"{DISK_RESERVE / 2**30:g} GiB are to stay free")
        start = self.on_disk
        self._file.seek(start)
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]
        self._rows[key] = kind, start
        self.on_disk += len(content)

    def raw(self, key: bytes) -> tuple[int, bytes]:
        """The kind and the bytes of a row."""
        kind, place = self._rows[key]
        if isinstance(place, bytes):
            return kind, place
        assert self._file is not None
        self._file.seek(place)
        wanted, parts = self.size_of(kind), []
        while wanted:
            part = self._file.read(wanted)
            if not part:
                raise OSError(f"{self._file.name}: the temporary file of features was cut short")
            parts.append(part)
            wanted -= len(part)
        return kind, b"".join(parts)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def clear(self) -> None:
        """Forget all; the temporary file is gone, too."""
        self.kinds, self._rows, self.in_memory, self.on_disk = [], {}, 0, 0
        file, self._file = self._file, None
        if file is not None:
            file.close()


def size_of(kind: Kind) -> int:
    """Bytes of a row of this kind."""
    return sum(np.dtype(dtype).itemsize * math.prod(shape) for dtype, shape in kind)


def checked_folder(given: Any, owner: Any) -> Path | None:
    """The folder that `cache_frozen_features` names; None where it is True.

    Raises:
        TypeError: for something else.
        ValueError: for an empty name.
    """
    if given is True:
        return None
    if not isinstance(given, (str, os.PathLike)):
        raise TypeError(
            f"{owner!r}: cache_frozen_features must be True, False or the path of a folder. "
            f"Received: {given!r}"
        )
    if not os.fspath(given):
        raise ValueError(f"{owner!r}: cache_frozen_features names no folder. Received: ''")
    return Path(given)
