"""Errors of files that can't be used, with the names that the user gave."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

_LONGEST = 2000  # characters of a message


class FileError(ValueError):
    """A saved file is damaged, hostile, or does not fit; the message begins with its name.

    What it quotes from the file is shortened, and what a terminal would obey is spelled out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_shown(message))


def _shown(message: str) -> str:
    if len(message) > _LONGEST:
        half = _LONGEST // 2
        left = f"{len(message) - _LONGEST:,} characters"
        message = f"{message[:half]} [... {left} ...] {message[-half:]}"
    if message.isprintable():
        return message
    plain = (each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in message)
    return "".join(plain)


def told_of_url(path: object) -> str:
    """What to do about a path that is an address on the web; empty for others."""
    if not str(path).startswith(("http://", "https://", "gs://", "s3://")):
        return ""
    return "an address on the web is not read: download the file first, and give its path"


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


@contextlib.contextmanager
def written_by(who: str, path: str | os.PathLike[str]) -> Iterator[None]:
    """Let an OSError out of this block say who wanted to write, and the path that was given."""
    try:
        yield
    except OSError as error:
        reason = f"{who}: {why_not_written(error, path)}"
        raise OSError(error.errno, reason, os.fspath(path)) from error


def why_not_written(error: OSError, path: str | os.PathLike[str]) -> str:
    """The system's reason, but for a missing folder, which it tells as a missing file."""
    folder = Path(path).parent
    if isinstance(error, FileNotFoundError) and not folder.exists():
        return f"there is no folder {folder}"
    return error.strerror or str(error)


def some(names: Collection[str], shown: int = 3) -> str:
    """The first few of them, and how many more there are."""
    more = len(names) - shown
    return ", ".join(sorted(names)[:shown]) + (f" and {more} more" if more > 0 else "")
