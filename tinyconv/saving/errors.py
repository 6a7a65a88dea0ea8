"""The one error of a file that can't be used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


class FileError(ValueError):
    """A saved file is damaged, hostile, or does not fit; the message begins with its name."""


@contextlib.contextmanager
def naming(file: Path) -> Iterator[None]:
    """Give every error that comes out of this block the name of the file.

    What a file holds is not ours: it may be anything, so anything may go wrong on the way.
    """
    try:
        yield
    except (FileError, FileNotFoundError, ImportError):
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        text = f"missing {reason}" if isinstance(error, KeyError) else reason
        raise FileError(f"{file}: {text}") from error
