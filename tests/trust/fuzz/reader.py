"""What a campaign needs to know of a reader of files."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any


class BrokenPromiseError(AssertionError):
    """A reader did what it must not do."""


class Reader:
    """One reader of foreign bytes. Subclasses say how its files are made and read.

    Attributes:
        name: on the command line.
        share: of the files of a campaign over all readers.
        allowed: the errors that the reader documents.
        named: whether they must name the file.
    """

    name = ""
    share = 1.0
    allowed: tuple[type[BaseException], ...] = (ValueError, OSError)
    named = True

    def __init__(self, folder: Path) -> None:
        """Make the good files; `folder` is the reader's own and empty."""
        self.folder = folder
        self.file = folder / "file"

    def make(self, rng: Random) -> str:
        """Write the next file to `self.file`; what was done to it."""
        raise NotImplementedError

    def read(self) -> Any:
        """Read it as a user would."""
        raise NotImplementedError

    def check_accepted(self, result: Any) -> None:
        """Raise BrokenPromiseError unless what came out of an accepted file can be used."""

    def check_refused(self) -> None:
        """Raise BrokenPromiseError if the refused file changed anything."""


def require(truth: bool, what: str) -> None:
    """Raise BrokenPromiseError(what) unless it is true."""
    if not truth:
        raise BrokenPromiseError(what)
