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

from benchmarks.harness import Contender, alternate, table
from benchmarks.step import BASE, Turn

SIZE, BATCH = 100, 64
TAILS = ("average pooling", "flatten + dense", "flatten + dense + dropout")


def run(options: Any) -> tuple[str, dict[str, Any]]:
    """A table a network, and all turns by title."""
    images = 320 if options.quick else 3200
    tables, numbers = [], {}
    for tail in TAILS[:1] if options.quick else TAILS:
        shared = {"tail": tail, "images": images}
        contenders = [
            Contender(name, "benchmarks.cats_vs_dogs:epochs", {**shared, "library": library})
            for name, library in (("tinyconv (numba)", "tinyconv"), (BASE, "keras"))
        ]
        title = f"training step of cats vs dogs, streamed, batch {BATCH}: {tail}"
        results = alternate(contenders, options.rounds)
        tables.append(table(title, results, BASE))
        numbers[title] = [result._asdict() for result in results]
    return "\n\n".join(tables), numbers


def epochs(library: str, tail: str, images: int) -> Turn:
    """A turn is an epoch; it returns the seconds a step."""
    from tinyconv.data import cats_vs_dogs

    module = importlib.import_module(library)
    model = build(module, tail)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    photographs = cats_vs_dogs.load(f"train[:{images}]", (SIZE, SIZE))
    batches = photographs.shuffle(1000, seed=0).batch(BATCH).prefetch(1)

    def turn() -> float:
        started = time.perf_counter()
        model.fit(batches, verbose=0)
        return (time.perf_counter() - started) / -(-images // BATCH)

    turn()
    return turn


def build(library: Any, tail: str) -> Any:
    """The head of three convolutions with one of the book's tails, by tinyconv or by Keras."""
    layers = library.layers
    head: list[Any] = [library.Input((SIZE, SIZE, 3))]
    for filters in (32, 32, 64):
        head += [layers.Conv2D(filters, 3), layers.BatchNormalization()]
        head += [layers.Activation("relu"), layers.MaxPooling2D(2)]
    if tail == "average pooling":
        end = [layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
        return library.Sequential([*head, *end])
    drop = [layers.Dropout(0.5)] if "dropout" in tail else []
    end = [
        layers.Flatten(), layers.BatchNormalization(),
        layers.Dense(100), layers.Activation("relu"), *drop, layers.BatchNormalization(),
        layers.Dense(100), layers.Activation("relu"),
        layers.Dense(1), layers.Activation("sigmoid"),
    ]  # fmt: skip
    return library.Sequential([*head, *end])
