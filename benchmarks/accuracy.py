"""Does tinyconv learn as well as tf.keras? Test accuracy of the book's networks.

Ten epochs of Fashion-MNIST with Adam and batches of 32, on several seeds; each
training runs in a process of its own.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.contender import Contender, Turn
from benchmarks.harness import alternate
from benchmarks.networks import build


def run(options: Any) -> dict[str, Any]:
    """A row a network and library: the accuracy of each seed, and the mean."""
    epochs, seeds = (1, 1) if options.quick else (10, min(options.rounds, 3))
    print(f"test accuracy after {epochs} epochs, seeds 0 to {seeds - 1}")
    numbers: dict[str, Any] = {}
    for network in ("dense", "cnn"):
        for library in ("tinyconv", "keras"):
            contender = Contender(
                library,
                "benchmarks.accuracy:trainer",
                {"library": library, "network": network, "epochs": epochs},
            )
            (result,) = alternate([contender], seeds, warm_ups=0)  # a turn is a seed
            found = result.values
            numbers[f"{network}, {library}"] = found
            each = "".join(f"{value:8.4f}" for value in found)
            mean = statistics.mean(found)
            print(f"{network:8}{library:12}{each}   mean {mean:.4f}", flush=True)
    return numbers


def trainer(library: str, network: str, epochs: int) -> Turn:
    """A function that trains on the next seed and returns the test accuracy."""
    import importlib
    import itertools

    module = importlib.import_module(library)
    from tinyconv.data import fashion_mnist

    (x, y), (x_test, y_test) = fashion_mnist.load_data()
    x, x_test = (images[..., None].astype("float32") / 255 for images in (x, x_test))
    seeds = itertools.count()

    def turn() -> float:
        module.utils.set_random_seed(next(seeds))
        model = build(library, network)
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
        return float(model.evaluate(x_test, y_test, verbose=0)[1])

    return turn
