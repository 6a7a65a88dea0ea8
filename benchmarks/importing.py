"""How long does `import` take, and how much memory?

Each round starts a Python for each contender, one after the other, which imports and ends. The
time is that of the import alone; the memory is the process' peak, beside that of a Python that
imports nothing. Files are in the system's cache: a round before the first is not counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contender import Costs, Result
from benchmarks.lineup import KERAS, OURS, TORCH
from benchmarks.plot import draw_bars
from benchmarks.report import Case, as_numbers, table

__all__ = ["draw", "run"]

TITLE = "import"
EXCLUDED = "Python's own start, and reading the files from the disk. import_memory: Python alone"
_CODE = """
import json, time
from benchmarks.process import peak_memory
before, started = peak_memory(), time.perf_counter()
{}
print("\\n" + json.dumps([time.perf_counter() - started, peak_memory(), before]))
"""


class Import(NamedTuple):
    """What a contender does, in Python."""

    name: str
    code: str
    peer: bool = False


def imports(names: list[str]) -> list[Import]:
    """Ours, alone and with a backend that is ready to compute, and the peers'."""
    found = [Import("tinyconv", "import tinyconv")]
    for backend in OURS:
        if backend in names:
            ready = f"import tinyconv; tinyconv.use_backend('{backend}')"
            found.append(Import(f"tinyconv ({backend})", ready))
    if KERAS in names:
        found.append(Import(KERAS, "import keras", peer=True))
    if TORCH in names:
        found.append(Import("PyTorch", "import torch", peer=True))
    return found


def run(options: Any) -> dict[str, Any]:
    """A table of seconds, ratios and memory."""
    contenders = imports(options.contenders)
    turns = [[once(each.code) for each in contenders] for _ in range(options.rounds + 1)][1:]
    results = []
    for number, each in enumerate(contenders):
        seconds = [turn[number][0] for turn in turns]
        peak = max(turn[number][1] for turn in turns)
        alone = max(turn[number][2] for turn in turns)
        costs = Costs(seconds[0], alone, 0.0, seconds[0])
        results.append(Result(each.name, each.peer, seconds, peak, costs, "", {}))
    case = Case(TITLE, (), "import")
    print(table(case, results), flush=True)
    return {TITLE: {**as_numbers(case, results), "excluded": EXCLUDED}}


def draw(numbers: Mapping[str, Any], path: Path) -> None:
    """Bars of time and memory."""
    draw_bars(numbers, path, grey="Python alone")


def once(code: str) -> tuple[float, int, int]:
    """Seconds of the code in a new process, its peak memory, and that before; in bytes.

    Raises:
        RuntimeError: with what the process has told, if it fails.
    """
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", _CODE.format(code)], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise RuntimeError(f"{code}: {done.stderr}")
    seconds, peak, before = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak, before
