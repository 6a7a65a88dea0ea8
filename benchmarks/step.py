"""How long does a training step of the book's networks take?

Measured through `fit` itself, so with shuffling, batching, metrics and callbacks, as a user
would have it; PyTorch has a plain loop in channels_last that does the same.
"""

from __future__ import annotations

from typing import Any

from benchmarks.lineup import AVX2, line_up, ours
from benchmarks.plot import draw_bars as draw
from benchmarks.report import Case, compare
from benchmarks.training import SETTINGS

__all__ = ["cases", "draw", "run"]

# Networks and batches, and how many steps are a turn of a few seconds: for all of them a
# multiple of the steps that tf.keras may take in one call.
STEPS = {
    ("cnn", 32): 160,
    ("cnn", 128): 48,
    ("dense", 32): 640,
    ("dense", 128): 320,
    ("cats vs dogs", 64): 16,
}


def cases(options: Any) -> list[Case]:
    """A case for each network and batch."""
    found = []
    for (network, batch), steps in STEPS.items():
        shared = {"network": network, "batch": batch, "steps": 4 if options.quick else steps}
        contenders = line_up(
            options.contenders, "benchmarks.training:fit", "benchmarks.training:torch_fit",
            shared, SETTINGS if not options.quick else None,
        )  # fmt: skip
        if "numba" in options.contenders and (network, batch) == ("cnn", 32):
            narrow = ours(
                "numba", "benchmarks.training:fit", shared, environment=AVX2, note=", AVX2"
            )
            contenders.insert(1, narrow)
        found.append(Case(f"training step through fit: {network}, batch {batch}", contenders))
    return found


def run(options: Any) -> dict[str, Any]:
    """All turns and ratios, by case."""
    return compare(options.chosen(cases(options)), options.rounds)
