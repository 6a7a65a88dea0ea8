"""How long does a training step of the book's networks take?

Measured through `fit` itself, so with batching, metrics and callbacks, as a user would
have it. Compilation and the first epoch are excluded for everyone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness import Contender, alternate, table

Turn = Callable[[], float]

BASE = "tf.keras"


def contenders(network: str, batch: int, steps: int) -> list[Contender]:
    """Both CPU backends and tf.keras."""
    shared = {"network": network, "batch": batch, "steps": steps}
    return [
        Contender(
            "tinyconv (numba)", "benchmarks.step:tinyconv_fit", {**shared, "backend": "numba"}
        ),
        Contender(
            "tinyconv (numpy)", "benchmarks.step:tinyconv_fit", {**shared, "backend": "numpy"}
        ),
        Contender(BASE, "benchmarks.step:keras_fit", shared),
    ]


def run(options: Any) -> tuple[str, dict[str, Any]]:
    """The tables, and all turns by title."""
    cases = [("cnn", 32)] if options.quick else [("cnn", 32), ("cnn", 128), ("dense", 32)]
    tables, numbers = [], {}
    for network, batch in cases:
        title = f"training step through fit: {network}, batch {batch}"
        steps = max(40, (50 if options.quick else 320) * 32 // batch)
        results = alternate(contenders(network, batch, steps), options.rounds)
        tables.append(table(title, results, BASE))
        numbers[title] = [result._asdict() for result in results]
    return "\n\n".join(tables), numbers


def tinyconv_fit(network: str, batch: int, steps: int, backend: str) -> Turn:
    """One turn is an epoch of `steps` steps."""
    import tinyconv

    tinyconv.use_backend(backend)
    return _fit(tinyconv, network, batch, steps)


def keras_fit(network: str, batch: int, steps: int) -> Turn:
    """The same with tf.keras."""
    import keras

    return _fit(keras, network, batch, steps)


def _fit(library: Any, network: str, batch: int, steps: int) -> Turn:
    model = build(library, network)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    generator = np.random.default_rng(0)
    x = generator.random((batch * steps, 28, 28, 1), dtype=np.float32)
    y = generator.integers(0, 10, batch * steps)
    model.fit(x[: batch * 20], y[: batch * 20], batch_size=batch, verbose=0)  # compiles

    def turn() -> float:
        started = time.perf_counter()
        model.fit(x, y, batch_size=batch, verbose=0)
        return (time.perf_counter() - started) / steps

    turn()
    return turn


def build(library: Any, network: str) -> Any:
    """A network of the book in Keras' vocabulary, by tinyconv or by Keras."""
    layers = library.layers
    head = [layers.Flatten(), layers.Dense(128, activation="relu")]
    body = []
    if network == "cnn":
        for filters in (32, 64):
            body.append(layers.Conv2D(filters, 3, padding="same", activation="relu"))
            body.append(layers.MaxPooling2D(2, strides=2))
    output = layers.Dense(10, activation="softmax")
    return library.Sequential([layers.Input((28, 28, 1)), *body, *head, output])
