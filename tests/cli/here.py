"""The `tinyconv` command in this process: a new one takes a second to import what it needs."""

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from tinyconv import backends
from tinyconv.cli import main


class Done(NamedTuple):
    """What a process would have left: its exit status and its two streams."""

    status: int
    output: str
    errors: str


def command(folder: Path, *arguments: str) -> Done:
    """`tinyconv ARGUMENTS`, called in a folder; the backend in use comes back."""
    output, errors = io.StringIO(), io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with (
            mock.patch.object(sys, "argv", ["tinyconv", *arguments]),
            mock.patch.dict(os.environ, {"COLUMNS": "100", "TERM": "dumb"}),
            mock.patch.object(backends, "_current", backends._current),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            try:
                main()
            except SystemExit as end:
                status = int(end.code or 0)
            else:
                status = 0
    finally:
        os.chdir(before)
    return Done(status, output.getvalue(), errors.getvalue())
