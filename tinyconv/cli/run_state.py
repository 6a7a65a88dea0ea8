"""What a run keeps in its folder so that it can be resumed: its options, and whether it ended."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tinyconv.saving.atomic import write_bytes

_FILE = "run.json"
_FINISHED = "finished"
BACKUP = "backup"  # the folder of BackupAndRestore


def write(folder: Path, options: dict[str, Any], finished: bool = False) -> None:
    """Write the options of a run."""
    content = json.dumps({**options, _FINISHED: finished}, indent=1) + "\n"
    write_bytes(folder / _FILE, content.encode())


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of the folder; the system ends it with the process.

    Raises:
        typer.Exit: with status 1 and a message, if another process works in it.
    """
    try:
        import fcntl
    except ImportError:  # Windows knows no such lock
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise _failure(f"the run in {folder} is still going on, in another process") from None
    try:
        yield
    finally:
        os.close(handle)


def unfinished(out: Path, folder: Path | None) -> tuple[Path, dict[str, Any]]:
    """The run to resume: the one in `folder`, or else the one under `out` that began last.

    Raises:
        typer.Exit: with status 1 and a message, if there is none or it has finished.
    """
    if folder is not None:
        if not (folder / _FILE).is_file():
            raise _failure(
                f"{folder} is not the folder of a run that can be resumed: no {_FILE} in it"
            )
        options = _read(folder)
        if options[_FINISHED]:
            raise _failure(f"the run in {folder} has finished: nothing is left to resume")
        return folder, options
    files = sorted(out.glob(f"*/{_FILE}"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files:
        options = _read(file.parent)
        if not options[_FINISHED]:
            return file.parent, options
    ended = " (all there have finished)" if files else ""
    raise _failure(f"no unfinished run in {out}/{ended}. Start one with: tinyconv train")


def _read(folder: Path) -> dict[str, Any]:
    known = {"dataset", "model", "epochs", "batch_size", "backend", "seed", "limit", _FINISHED}
    try:
        options = json.loads((folder / _FILE).read_text())
        if set(options) != known:
            raise ValueError(f"expected {sorted(known)}")
    except (ValueError, TypeError) as error:
        raise _failure(f"{folder / _FILE} is damaged: {error}") from None
    return options


def _failure(message: str) -> typer.Exit:
    typer.echo(f"Error: {message}", err=True)
    return typer.Exit(1)
