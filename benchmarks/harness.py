"""Measuring contenders against each other on a noisy machine.

Each contender lives in a process of its own, with its own threads and memory, and waits
there for its turn. The turns alternate, A B C A B C ..., so that a slow minute of the
machine hits all alike, and what is compared is the ratio within a round. Absolute times
are reported, but not to be trusted across runs.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple


class Contender(NamedTuple):
    """Something to measure.

    Attributes:
        name: shown in the table.
        factory: "module:function"; called once in the contender's process with `options`, it
            does all preparation and warm-up, and returns a function that does one turn and
            returns its seconds per unit of work.
        options: keyword arguments of the factory.
    """

    name: str
    factory: str
    options: dict[str, Any]


class Result(NamedTuple):
    """What all turns of one contender returned (seconds per unit of work, say).

    The memory is the peak in bytes.
    """

    name: str
    values: list[float]
    peak_memory: int

    @property
    def median(self) -> float:
        """Of all turns."""
        return statistics.median(self.values)


def alternate(contenders: Sequence[Contender], rounds: int) -> list[Result]:
    """Prepare all contenders, then let them take turns."""
    spawn = multiprocessing.get_context("spawn")
    running = []
    for contender in contenders:
        here, there = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(there, contender), daemon=True)
        process.start()
        _answer(here, contender)  # one prepares at a time
        running.append((contender, process, here))
    values: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender, _process, here in running:
            here.send("turn")
            values[contender.name].append(_answer(here, contender))
    results = []
    for contender, process, here in running:
        here.send("stop")
        results.append(Result(contender.name, values[contender.name], _answer(here, contender)))
        process.join()
    return results


def _serve(there: Connection, contender: Contender) -> None:
    """The contender's process."""
    try:
        module, function = contender.factory.split(":")
        turn: Callable[[], float] = getattr(importlib.import_module(module), function)(
            **contender.options
        )
        there.send(None)
        while there.recv() == "turn":
            there.send(turn())
        there.send(_peak_memory())
    except Exception as error:
        there.send(error)


def _answer(here: Connection, contender: Contender) -> Any:
    try:
        answer = here.recv()
    except EOFError:
        raise RuntimeError(f"the process of {contender.name} died") from None
    if isinstance(answer, Exception):
        raise RuntimeError(f"{contender.name}: {type(answer).__name__}: {answer}")
    return answer


def _peak_memory() -> int:
    """Largest resident set of this process, bytes."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


# ---- reporting ----------------------------------------------------------------


def ratios(result: Result, base: Result) -> list[float]:
    """Time over the base's time, round by round."""
    return [own / other for own, other in zip(result.values, base.values, strict=True)]


def table(title: str, results: Sequence[Result], base: str, unit: str = "ms/step") -> str:
    """Median time, the median ratio to `base` with its spread, and the peak memory."""
    reference = next(result for result in results if result.name == base)
    lines = [title, f"{'':28}{unit:>10}{'ratio':>8}{'(quartiles)':>16}{'peak memory':>14}"]
    for result in results:
        own = ratios(result, reference)
        low, middle, high = statistics.quantiles(own, n=4) if len(own) > 1 else own * 3
        spread = f"({low:.2f} to {high:.2f})"
        memory = f"{result.peak_memory / 2**20:,.0f} MiB"
        lines.append(
            f"{result.name:28}{1000 * result.median:10.2f}{middle:8.2f}{spread:>16}{memory:>14}"
        )
    return "\n".join(lines)


def write_json(path: Path, numbers: Mapping[str, Any]) -> None:
    """The numbers, with the machine and the versions they were measured on."""
    content = {
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "versions": _versions(),
        },
        "results": numbers,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _cpu() -> str:
    try:
        text = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return platform.processor()
    found = [line.split(":")[1].strip() for line in text.splitlines() if "Model name" in line]
    return found[0] if found else platform.processor()


def _versions() -> dict[str, str]:
    versions = {}
    for name in ("tinyconv", "numpy", "numba", "tensorflow-cpu", "tensorflow", "keras", "torch"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
