"""What a run keeps in its folder so that it can be resumed: its options, and whether it ended."""

from __future__ import annotations

import contextlib
import enum
import json
import os
import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from tinyconv.callbacks import BackupAndRestore
from tinyconv.callbacks.backup_form import read_backup
from tinyconv.cli.networks import NETWORKS
from tinyconv.saving.atomic import write_bytes

_FILE = "run.json"
_FINISHED = "finished"
BACKUP = "backup"  # the folder of BackupAndRestore
LEAST = {"epochs": 1, "batch_size": 1, "seed": 0, "limit": 2}  # of two images one validates


class Dataset(str, enum.Enum):
    """Data sets of small grey images."""

    fashion_mnist = "fashion_mnist"
    mnist = "mnist"
    digits = "digits"


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
        return _without_links(folder), options
    files = sorted(out.glob(f"*/{_FILE}"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files:
        options = _read(file.parent)
        if not options[_FINISHED]:
            return _without_links(file.parent), options
    ended = " (all there have finished)" if files else ""
    raise _failure(f"no unfinished run in {out}/{ended}. Start one with: tinyconv train")


def _without_links(folder: Path) -> Path:
    """The folder; typer.Exit where a file in it is another one: it would be overwritten."""
    for file in (*folder.iterdir(), *folder.glob(f"{BACKUP}/*")):
        if file.is_symlink() or (file.is_file() and file.stat().st_nlink > 1):
            raise _failure(f"{file} is a link to another file: such a run is not resumed")
    return folder


def reached(folder: Path, options: dict[str, Any]) -> str:
    """Where a run that is resumed goes on, in words.

    Raises:
        FileError: for a backup that is damaged.
    """
    backup = BackupAndRestore(folder / BACKUP).file
    if not backup.exists():
        return "from the beginning"
    position = read_backup(backup)["position"]
    if position["epoch"] >= options["epochs"]:
        return "after its last epoch"
    step = f", step {position['step'] + 1}" if position["step"] else ""
    return f"from epoch {position['epoch'] + 1}{step}"


def _read(folder: Path) -> dict[str, Any]:
    file = folder / _FILE
    try:
        options = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _failure(f"{file} is damaged: {error}") from None
    wrong = _wrong(options)
    if wrong:
        raise _failure(f"{file} is damaged: {wrong}")
    return options


def _wrong(options: Any) -> str | None:
    """What is no option of a run in what should be them."""
    choices: dict[str, Any] = {
        "dataset": [each.value for each in Dataset],
        "model": list(NETWORKS),
        "backend": ["numpy", "numba", "cupy"],  # also where "cupy" cannot be used now
        _FINISHED: [False, True],
    }
    names = {*choices, *LEAST}
    if not isinstance(options, dict) or set(options) != names:
        return f"expected values for {', '.join(sorted(names))}"
    for name, value in options.items():
        if name in choices:
            fits = any(type(value) is type(each) and value == each for each in choices[name])
            expected = f"one of {', '.join(map(str, choices[name]))}"
        else:
            fits = type(value) is int and value >= LEAST[name]
            fits = fits or (name == "limit" and value is None)
            expected = f"a whole number, at least {LEAST[name]}"
        if not fits:
            return f"{name}: expected {expected}. Received: {reprlib.repr(value)}"
    return None


def _failure(message: str) -> typer.Exit:
    typer.echo(f"Error: {message}", err=True)
    return typer.Exit(1)
