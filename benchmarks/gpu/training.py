"""Whole steps: epochs of the book's CNN, and the features of VGG16.

An epoch begins with the images in the host's memory and ends when its loss and accuracy are
known there: ours is `fit`, PyTorch's a loop with everything on the device. Features are
computed of batches that lie on the device already. PyTorch runs eagerly, compiled, and
captured as a CUDA graph. tinyconv records its steps by itself; once it is kept from that. All is
exact float32, but for the features, which are there with TF32, too.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

from benchmarks import training
from benchmarks.contender import Contender, Result, Turn
from benchmarks.gpu.card import CARDS, Card, made
from benchmarks.gpu.measuring import seconds_a_call
from benchmarks.harness import alternate
from benchmarks.networks import WORK, build
from benchmarks.report import Case, as_numbers, table

IMAGES = 60_000  # of Fashion-MNIST; what does not fill a batch is left out
BATCHES = (32, 128, 1024)
FEATURES = ("vgg16", 32)
SETS = 4  # batches of photographs that take turns


def cases(ways: tuple[str, ...], quick: bool) -> list[Case]:
    """An epoch for each batch, and the features."""
    found = []
    for batch in BATCHES[:1] if quick else BATCHES:
        steps = 2 if quick else IMAGES // batch
        title = f"gpu: CNN, batch {batch}, epoch of {batch * steps:,} images ({steps:,} steps)"
        contenders = _line_up("fit", ways, network="cnn", batch=batch, steps=steps)
        name, environment = "tinyconv (cupy), not recorded", {"TINYCONV_CUDA_GRAPHS": "0"}
        contenders.insert(1, replace(contenders[0], name=name, environment=environment))
        found.append(Case(title, contenders))
    network, batch = FEATURES
    shape = WORK[network].shape
    if quick:
        batch, shape = 1, (32, 32, 3)
    for tf32 in (False,) if quick else (False, True):
        precision = "TF32" if tf32 else "float32"
        title = f"gpu: VGG16 features, {shape[0]} x {shape[1]}, batch {batch}, {precision}"
        options = {"network": network, "batch": batch, "shape": shape, "tf32": tf32}
        found.append(Case(title, _line_up("features", ways, **options), "batch"))
    return found


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Show its table, return its numbers by its title."""
    results = alternate(case.contenders, rounds)
    print(f"\n{table(case, results)}", flush=True)
    found = as_numbers(case, results)
    steps = case.contenders[0].options.get("steps")
    if steps:
        found["steps"] = steps
        found["seconds_an_epoch"] = {each.name: steps * each.median for each in results}
        print(_epochs(results, steps), flush=True)
    return {case.title: found}


def _epochs(results: list[Result], steps: int) -> str:
    return "\n".join(
        f"{each.name:32}{1 / each.median:10,.0f} steps/s{steps * each.median:10.3f} s an epoch"
        for each in results
    )


def _line_up(work: str, ways: tuple[str, ...], **options: Any) -> list[Contender]:
    """We, and PyTorch in each of these ways."""
    ours = Contender(
        "tinyconv (cupy)", f"benchmarks.gpu.training:{work}",
        {**options, "card": CARDS["tinyconv"]}, {}, ("tinyconv",),
    )  # fmt: skip
    theirs = [
        Contender(
            f"PyTorch {way}", f"benchmarks.gpu.torch_ways:{work}",
            {**options, "card": CARDS["torch"], "way": way}, {}, ("torch",), peer=True,
        )
        for way in ways
    ]  # fmt: skip
    return [ours, *theirs]


def fit(card: str, network: str, batch: int, steps: int) -> Turn:
    """A turn is an epoch through `fit`; it returns the seconds a step."""
    device = _computing_on(card)
    return by_events(device, training.fit("tinyconv", network, batch, steps), steps)


def by_events(card: Card, turn: Turn, steps: int) -> Turn:
    """The turn by the device's clock instead of the host's."""

    def timed() -> float:
        start = card.record()
        turn()
        return card.seconds(start, card.record()) / steps

    return timed


def features(card: str, network: str, batch: int, shape: tuple[int, int, int], tf32: bool) -> Turn:
    """A turn returns the seconds of a batch, several of them one after the other."""
    device = _computing_on(card, tf32)
    model = build("tinyconv", network, shape)
    generator = device.xp.random.default_rng(0)
    sets = [generator.random((batch, *shape), dtype="float32") for _ in range(SETS)]
    calls = [lambda x=x: model(x) for x in sets]
    return lambda: statistics.median(seconds_a_call(device, calls, 3))


def _computing_on(card: str, tf32: bool = False) -> Any:
    from tinyconv import use_backend

    device = made(card)
    use_backend(device.backend_name, tf32=tf32)
    return device
