"""ResNet-50 on photographs of 224 x 224: class probabilities, one photograph and eight.

The weights are random ones: the time does not depend on them.
"""

from __future__ import annotations

from typing import Any

from benchmarks.inference import SETTINGS
from benchmarks.lineup import line_up
from benchmarks.plot import draw_bars as draw
from benchmarks.report import Case, compare

__all__ = ["cases", "draw", "run"]


def cases(options: Any) -> list[Case]:
    """One photograph and eight."""
    size, found = 32 if options.quick else 224, []
    for batch in (1, 8):
        shared = {
            "network": "resnet50", "count": batch, "repeats": 8 // batch,
            "shape": (size, size, 3),
        }  # fmt: skip
        contenders = line_up(
            options.contenders, "benchmarks.inference:predict",
            "benchmarks.inference:torch_predict", shared,
            None if options.quick else SETTINGS,
        )  # fmt: skip
        title = f"ResNet-50 inference, {size} x {size}, batch {batch}"
        found.append(Case(title, contenders, "batch"))
    return found


def run(options: Any) -> dict[str, Any]:
    """All turns and ratios, by case."""
    return compare(options.chosen(cases(options)), options.rounds)
