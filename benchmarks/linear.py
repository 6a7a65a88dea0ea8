"""Does a training step of the CNN take time in proportion to its batch?

Two questions, and two answers:

with a constant     time = constant + batch * rate, the line through the medians with the smallest
                    squares of relative distance: how far are they from it? The constant is what
                    a step costs whatever its batch.
without a constant  time an image, over that in the largest batch: 1 everywhere if a step had no
                    cost of its own and all batches used the machine alike.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.contender import Result
from benchmarks.harness import WARM_UPS, alternate
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
    an_image = [seconds / batch for batch, seconds in zip(batches, medians, strict=True)]
    ratios = [each / an_image[-1] for each in an_image]
    return {
        "seconds_a_step": {str(batch): values for batch, values in turns.items()},
        "medians": medians,
        "constant": constant,
        "rate": rate,
        "away_from_line": away,
        "largest_distance_from_line": max(abs(each) for each in away),
        "seconds_an_image": an_image,
        "image_over_that_in_largest_batch": ratios,
        "largest_distance_from_proportion": max(abs(each - 1) for each in ratios),
    }


def line(batches: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """constant and rate of the line with the smallest squares of relative distance."""
    x, y = np.asarray(batches, float), np.asarray(seconds)
    columns = np.stack([1 / y, x / y], axis=1)
    constant, rate = np.linalg.lstsq(columns, np.ones_like(y), rcond=None)[0]
    return float(constant), float(rate)


def _table(numbers: dict[str, Any], batches: Sequence[int]) -> str:
    lines = ["training step of the CNN through fit, by batch"]
    for name, found in numbers.items():
        constant, rate = 1000 * found["constant"], 1e6 * found["rate"]
        rows = {
            f"{name}, batch": [str(batch) for batch in batches],
            "  ms a step": [f"{1000 * each:.2f}" for each in found["medians"]],
            "  away from the line": [f"{each:+.1%}" for each in found["away_from_line"]],
            "  us an image": [f"{1e6 * each:.1f}" for each in found["seconds_an_image"]],
            f"  over that in batch {batches[-1]}": [
                f"{each:.2f}" for each in found["image_over_that_in_largest_batch"]
            ],
        }
        lines += [f"{title:26}" + "".join(f"{v:>9}" for v in row) for title, row in rows.items()]
        line, proportion = (
            found[f"largest_distance_from_{what}"] for what in ("line", "proportion")
        )
        lines.append(
            f"  with a constant: {constant:.2f} ms + {rate:.1f} us an image, "
            f"at most {line:.1%} away from it"
        )
        lines.append(
            f"  without a constant: an image takes up to {proportion:.1%} more or less "
            f"than in batch {batches[-1]}"
        )
    return "\n".join(lines)
