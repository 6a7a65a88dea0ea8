"""Does memory grow with the data set? Peak memory of a streamed epoch of cats vs dogs.

One epoch of the network with average pooling, from a `tf.data` pipeline without a shuffle
buffer (which would be filled by TensorFlow, not by us), for a small and a large number of
photographs, each in a process of its own. It needs the data set, as `cats_vs_dogs` does.
"""

from __future__ import annotations

from typing import Any

from benchmarks.cats_vs_dogs import BATCH, SIZE
from benchmarks.contender import Contender, Turn
from benchmarks.harness import alternate
from benchmarks.networks import build


def run(options: Any) -> dict[str, Any]:
    """A row a number of photographs: what they take as arrays, and the peak of the process."""
    counts = (200, 400) if options.quick else (1000, 3200)
    print("peak memory of a streamed epoch, cats vs dogs at 100 x 100")
    numbers: dict[str, Any] = {}
    for count in counts:
        contender = Contender(f"{count:,}", "benchmarks.memory:epoch", {"images": count})
        (result,) = alternate([contender], 1, warm_ups=0)
        held = count * SIZE * SIZE * 3 * 4 / 2**20
        peak = result.peak_memory / 2**20
        numbers[f"{count} images"] = {"as arrays MiB": held, "peak MiB": peak}
        print(f"{count:6,} images ({held:5.0f} MiB as float32)   peak {peak:7,.0f} MiB")
    return numbers


def epoch(images: int) -> Turn:
    """A turn is an epoch; it returns nothing worth knowing, the harness reads the peak."""
    from tinyconv.data import cats_vs_dogs

    model = build("tinyconv", "cats vs dogs")
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    batches = cats_vs_dogs.load(f"train[:{images}]", (SIZE, SIZE)).batch(BATCH)

    def turn() -> float:
        model.fit(batches, verbose=0)
        return 0.0

    return turn
