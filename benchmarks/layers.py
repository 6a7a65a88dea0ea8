"""How long does each kind of layer take, forward and all the way back?

A turn is forward in training mode, and the gradients of input and parameters for random slopes
of the output, on the same numbers for everybody. TensorFlow does it in a `tf.function`, PyTorch
in channels_last; both choose the faster of plain and compiled.
"""

from __future__ import annotations

from typing import Any

from benchmarks.lineup import line_up
from benchmarks.plot import draw_bars as draw
from benchmarks.report import Case, compare
from benchmarks.single_layers import FAMILIES, SETTINGS

__all__ = ["cases", "draw", "run"]

BATCH = 32
LEAST_SECONDS = 0.1  # of a turn


def cases(options: Any) -> list[Case]:
    """A case a family."""
    found = []
    for family, spec in FAMILIES.items():
        batch = 2 if options.quick else BATCH
        shared = {
            "family": family,
            "batch": batch,
            "least": 0.0 if options.quick else LEAST_SECONDS,
        }
        contenders = line_up(
            options.contenders, "benchmarks.single_layers:by_keras_words",
            "benchmarks.single_layers:by_torch", shared, None if options.quick else SETTINGS,
        )  # fmt: skip
        shape = " x ".join(str(n) for n in (batch, *spec.shape))
        found.append(Case(f"{family}, {shape}, forward and backward", contenders, "call"))
    return found


def run(options: Any) -> dict[str, Any]:
    """All turns and ratios, by family."""
    return compare(options.chosen(cases(options)), options.rounds)
