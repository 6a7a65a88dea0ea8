"""What was measured, as a table and as JSON."""

from __future__ import annotations

import datetime
import json
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contender import Contender, Result
from benchmarks.harness import WARM_UPS, alternate
from benchmarks.process import cores

EXCLUDED = (
    "Not in the times: imports, building the model and its data, compilation and the first "
    f"{WARM_UPS} turns (told apart as import_seconds, build_seconds, first_turn_seconds). "
    "The peak memory is of the whole process; import_memory is the part that is there once "
    "the library is imported."
)


class Case(NamedTuple):
    """Contenders that do the same work, and what to call a unit of it."""

    title: str
    contenders: Sequence[Contender]
    unit: str = "step"


class Spread(NamedTuple):
    """Median and quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one value or more."""
        return (
            cls(*statistics.quantiles(values, n=4, method="inclusive"))
            if len(values) > 1
            else cls(*[values[0]] * 3)
        )


def compare(cases: Sequence[Case], rounds: int) -> dict[str, Any]:
    """Measure one case after the other, show a table each, return all numbers by title."""
    numbers = {}
    for case in cases:
        results = alternate(case.contenders, rounds)
        print(table(case, results), end="\n\n", flush=True)
        numbers[case.title] = as_numbers(case, results)
    return numbers


def ratios(result: Result, base: Result) -> list[float]:
    """Time over the base's time, round by round."""
    return [own / other for own, other in zip(result.values, base.values, strict=True)]


def fastest_peer(results: Sequence[Result]) -> Result | None:
    """The peer with the smallest median; None if there is none."""
    return min((result for result in results if result.peer), key=_median, default=None)


def _median(result: Result) -> float:
    return result.median


def table(case: Case, results: Sequence[Result]) -> str:
    """Median time, its ratio to the fastest peer's with the spread of that, memory."""
    base = fastest_peer(results)
    against = f"ratio: time over that of {base.name}, the fastest peer" if base else ""
    head = f"{'':26}{f'ms/{case.unit}':>10}{'ratio':>8}{'(quartiles)':>16}"
    lines = [case.title, f"{head}{'peak MiB':>10}{'imported':>10}{'1st turn':>10}  setting"]
    for result in results:
        compared = f"{'':24}"
        if base:
            spread = Spread.of(ratios(result, base))
            quartiles = f"({spread.low:.2f} to {spread.high:.2f})"
            compared = f"{spread.median:8.2f} {quartiles:>15}"
        costs = result.costs
        lines.append(
            f"{result.name:26}{1000 * result.median:10.2f}{compared}"
            f"{result.peak_memory / 2**20:10,.0f}{costs.import_memory / 2**20:10,.0f}"
            f"{costs.first_turn_seconds:8.1f} s  {result.setting}"
        )
    return "\n".join([*lines, against] if against else lines)


def as_numbers(case: Case, results: Sequence[Result]) -> dict[str, Any]:
    """All that is known, for JSON; times in seconds, memory in bytes."""
    base = fastest_peer(results)
    contenders = {}
    for result in results:
        entry = {**result._asdict(), **result.costs._asdict(), "median": result.median}
        del entry["costs"], entry["name"]
        contenders[result.name] = entry
    compared = {}
    if base:
        for result in results:
            rounds = ratios(result, base)
            compared[result.name] = {**Spread.of(rounds)._asdict(), "rounds": rounds}
    return {
        "unit": case.unit,
        "excluded": EXCLUDED,
        "contenders": contenders,
        "fastest_peer": base.name if base else None,
        "ratio_to_fastest_peer": compared,
    }


def write_json(path: Path, numbers: Mapping[str, Any], command: str) -> None:
    """The numbers, with the command, the machine and the versions they were measured on."""
    content = {
        "command": command,
        "machine": {
            "cpu": _cpu(),
            "cores": cores(),
            "python": platform.python_version(),
            "versions": _versions(),
        },
        "date": datetime.date.today().isoformat(),
        "results": numbers,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
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
