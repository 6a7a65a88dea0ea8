"""Writing a file so that it is either the old one or the whole new one."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from tinyconv.saving.errors import why_not_written


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary name beside `path`, renamed to it when the block ends without an exception.

    Renaming within a folder is atomic, so a reader, or a crash in the middle of writing,
    never meets half a file; and the bytes are on the disk before the name is.
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(final.parent)


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write a whole file, or leave the old one as it was.

    Raises:
        OSError: naming the file, if the disk is full, the folder missing, and so on.
    """
    try:
        with atomic_path(path) as temporary, open(temporary, "xb") as file:
            file.write(content)
    except OSError as error:
        reason = f"could not write it ({why_not_written(error, path)}); nothing there has changed"
        raise OSError(error.errno, reason, os.fspath(path)) from error


def _sync_folder(folder: Path) -> None:
    """Put the new name itself on the disk, where the system lets a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        return  # some network file systems know no such thing
    finally:
        os.close(handle)
