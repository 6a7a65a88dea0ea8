"""Where data files live on disk, and how a file proves that it is what it should be.

The folder is Keras' own, so that what Keras has downloaded is found here and
what is downloaded here is found by Keras.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

CHUNK = 1 << 20


class CorruptFileError(ValueError):
    """A file on disk is damaged, or is not the file that its name promises.

    Attributes:
        path: the file.
        expected: what it should have been.
        found: what it was.
    """

    def __init__(self, path: Path, expected: str, found: str) -> None:
        super().__init__(path, expected, found)
        self.path, self.expected, self.found = path, expected, found

    def __str__(self) -> str:
        return (
            f"{self.path} is damaged or is not the file it should be: "
            f"expected {self.expected}; found {self.found}. "
            "Delete it, and the next call downloads a fresh copy."
        )


def keras_home() -> Path:
    """Keras' folder: the environment variable KERAS_HOME, else ~/.keras.

    Raises:
        FileNotFoundError: if the user has no home either.
    """
    home = os.environ.get("KERAS_HOME")
    try:
        return Path(home) if home else Path.home() / ".keras"
    except RuntimeError as error:
        raise FileNotFoundError(
            "there is no folder to look for data in: this user has no home. "
            "Set KERAS_HOME to a folder"
        ) from error


def verify(path: Path, checksum: str) -> None:
    """Compare a file with a checksum written "md5:<hex>" or "sha256:<hex>".

    Raises:
        CorruptFileError: if they differ.
        ValueError: if the checksum is not written like that.
    """
    algorithm, _, expected = checksum.partition(":")
    if algorithm not in ("md5", "sha256") or not expected:
        raise ValueError(
            f'checksum must read "md5:<hex>" or "sha256:<hex>". Received: checksum={checksum!r}'
        )
    if not path.is_file():
        raise CorruptFileError(path, "a file", "a folder or a special file")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != expected:
        size = path.stat().st_size
        raise CorruptFileError(
            path, f"{algorithm} {expected}", f"{algorithm} {digest.hexdigest()} in {size:,} bytes"
        )
