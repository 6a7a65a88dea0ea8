"""Does a training step of the CNN take time in proportion to its batch?

A line, time = constant + batch * rate, is laid through the medians so that the largest
relative distance from it is small; that distance is the answer. The constant is what a step
costs whatever its batch.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.harness import WARM_UPS, Result, alternate
from benchmarks.lineup import line_up
from benchmarks.plot import draw_lines as draw

__all__ = ["draw", "line", "run"]

BATCHES = (8, 16, 32, 64, 128, 256, 512)


def run(options: Any) -> dict[str, Any]:
    """For each contender the seconds of a step by batch, and the line through them."""
    batches = BATCHES[:3] if options.quick else BATCHES
    shared = {"network": "cnn", "batches": batches, "steps": 3 if options.quick else 24}
    contenders = line_up(
        options.contenders, "benchmarks.training:fit_batches",
        "benchmarks.training:torch_fit_batches", shared,
        {"tf.keras": {"graph": {"jit_compile": False}}},
    )  # fmt: skip
    results = alternate(contenders, options.rounds * len(batches), WARM_UPS * len(batches))
    numbers = {result.name: _summary(result, batches) for result in results}
    print(_table(numbers, batches), flush=True)
    return numbers


def _summary(result: Result, batches: Sequence[int]) -> dict[str, Any]:
    turns = {batch: result.values[n :: len(batches)] for n, batch in enumerate(batches)}
    medians = [statistics.median(values) for values in turns.values()]
    constant, rate = line(batches, medians)
    away = [
        seconds / (constant + rate * batch) - 1
        for batch, seconds in zip(batches, medians, strict=True)
    ]
    return {
        "seconds_a_step": {str(batch): values for batch, values in turns.items()},
        "medians": medians,
        "constant": constant,
        "rate": rate,
        "away_from_line": away,
    }


def line(batches: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """constant and rate of the line with the smallest squares of relative distance."""
    x, y = np.asarray(batches, float), np.asarray(seconds)
    columns = np.stack([1 / y, x / y], axis=1)
    constant, rate = np.linalg.lstsq(columns, np.ones_like(y), rcond=None)[0]
    return float(constant), float(rate)


def _table(numbers: dict[str, Any], batches: Sequence[int]) -> str:
    lines = ["training step of the CNN through fit, ms, by batch"]
    lines.append(f"{'':26}" + "".join(f"{batch:9}" for batch in batches))
    for name, found in numbers.items():
        lines.append(f"{name:26}" + "".join(f"{1000 * each:9.2f}" for each in found["medians"]))
        away = "".join(f"{each:+9.1%}" for each in found["away_from_line"])
        lines.append(f"{'  away from the line':26}{away}")
        told = f"{1000 * found['constant']:.2f} ms + {1e6 * found['rate']:.1f} us an image"
        largest = max(abs(each) for each in found["away_from_line"])
        lines.append(f"  the line: {told}; at most {largest:.1%} away")
    return "\n".join(lines)
