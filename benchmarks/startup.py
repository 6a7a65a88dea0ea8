"""How long until `tinyconv train` shows its first training step?

Cold means an empty Numba cache: every kernel is compiled. The command runs on a
pseudo-terminal, as a person would see it, and is ended at its first step.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any

_COMMAND = "from tinyconv.cli import main; main()"
_FIRST_STEP = re.compile(rb"[1-9]\d*/\d+.*loss")
_LIMIT_SECONDS = 120


def run(options: Any) -> dict[str, Any]:
    """Once cold, then warm, for as many rounds as asked for."""
    numbers: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(1 if options.quick else options.rounds):
        with tempfile.TemporaryDirectory() as cache:
            for state in ("cold", "warm"):
                numbers[state].append(seconds_to_first_step(cache))
    print("seconds from `tinyconv train` to its first training step")
    for state, seconds in numbers.items():
        print(f"{state:6}" + "".join(f"{value:8.1f}" for value in seconds))
    return numbers


def seconds_to_first_step(cache: str) -> float:
    """Start the command, wait for the first step on its screen, end it."""
    ours, theirs = pty.openpty()
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, "train", "--out", out],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
            env={**os.environ, "NUMBA_CACHE_DIR": cache, "TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        os.close(theirs)
        screen = b""
        try:
            while not _FIRST_STEP.search(screen):
                if time.perf_counter() - started > _LIMIT_SECONDS:
                    raise TimeoutError(f"no training step within {_LIMIT_SECONDS} s")
                screen += os.read(ours, 65536)
            return time.perf_counter() - started
        except OSError as error:  # the other side is gone
            text = screen.decode(errors="replace")
            raise RuntimeError(f"tinyconv train ended too soon:\n{text}") from error
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            os.close(ours)
