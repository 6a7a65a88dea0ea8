"""How long does it take to predict the 10,000 test images of Fashion-MNIST?

Once in batches of 32, `predict`'s own, and once in the batch that is best for each.
"""

from __future__ import annotations

from typing import Any

from benchmarks.lineup import Settings, line_up
from benchmarks.plot import draw_bars as draw
from benchmarks.report import Case, compare

__all__ = ["cases", "draw", "run"]

BATCHES = (64, 128, 256, 512, 1000, 2000)


def cases(options: Any) -> list[Case]:
    """In batches of 32, and in those that are best."""
    count = 100 if options.quick else 10_000
    shared = {"network": "cnn", "count": count}
    usual, best = (
        line_up(
            options.contenders, "benchmarks.inference:predict",
            "benchmarks.inference:torch_predict", shared, settings,
        )
        for settings in (_settings((32,)), _settings(BATCHES[:1] if options.quick else BATCHES))
    )  # fmt: skip
    return [
        Case(f"predict of {count:,} images by the CNN: batches of 32", usual, "predict"),
        Case(f"predict of {count:,} images by the CNN: best batches", best, "predict"),
    ]


def _settings(batches: tuple[int, ...]) -> Settings:
    own: Settings = {"tf.keras": {"": {"jit_compile": False}, ", XLA": {"jit_compile": True}},
           "torch": {"": {}, ", frozen": {"form": "frozen"}},
           "tinyconv": {"": {}}}  # fmt: skip
    return {
        name: {
            f"batch {batch:,}{note}": {"batch": batch, **options}
            for batch in batches
            for note, options in ways.items()
        }
        for name, ways in own.items()
    }


def run(options: Any) -> dict[str, Any]:
    """All turns and ratios, by case."""
    return compare(options.chosen(cases(options)), options.rounds)
