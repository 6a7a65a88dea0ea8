"""How long does an epoch of cats vs dogs take, read from a stream of photographs?

The three networks of the book's chapter on global average pooling, 100 x 100 pixels in
batches of 64, fed by the same `tf.data` pipeline (decoding and resizing included) through
`fit`. The first epoch, which compiles, is excluded for everyone. It needs the data set:
see `tinyconv.data.cats_vs_dogs`.
"""

from __future__ import annotations

import importlib
import time
from typing import Any

from benchmarks.contender import Turn
from benchmarks.lineup import KERAS, TORCH, line_up
from benchmarks.networks import TAILS, cats_vs_dogs
from benchmarks.plot import draw_bars as draw
from benchmarks.report import Case, compare

__all__ = ["cases", "draw", "run"]

SIZE, BATCH = 100, 64


def cases(options: Any) -> list[Case]:
    """A case a network; PyTorch has no part in it, as it does not read `tf.data`."""
    images = 320 if options.quick else 3200
    names = [name for name in options.contenders if name != TORCH]
    graph = {KERAS: {"graph": {"jit_compile": False}}}
    return [
        Case(
            f"training step of cats vs dogs, streamed, batch {BATCH}: {tail}",
            line_up(
                names, "benchmarks.cats_vs_dogs:epochs", "", {"tail": tail, "images": images}, graph
            ),
        )
        for tail in TAILS
    ]


def run(options: Any) -> dict[str, Any]:
    """All turns and ratios, by network."""
    return compare(options.chosen(cases(options)), options.rounds)


def epochs(library: str, tail: str, images: int, **compiling: Any) -> Turn:
    """A turn is an epoch; it returns the seconds a step."""
    from tinyconv.data import cats_vs_dogs as photographs

    model = cats_vs_dogs(importlib.import_module(library), tail, (SIZE, SIZE, 3))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"], **compiling)
    read = photographs.load(f"train[:{images}]", (SIZE, SIZE))
    batches = read.shuffle(1000, seed=0).batch(BATCH).prefetch(1)

    def turn() -> float:
        started = time.perf_counter()
        model.fit(batches, verbose=0)
        return (time.perf_counter() - started) / -(-images // BATCH)

    return turn
