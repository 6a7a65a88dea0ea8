"""`python -m tests.trust.steps`: a thousand steps, and no NaN where tf.keras has none.

The book's dense network and its CNN and the network of the cats and dogs, all made small, by
every optimizer, at learning rates from the usual to far too large: both libraries start from
the same weights and see the same batches. tinyconv stops at the first loss that is not finite,
tf.keras goes on with NaN; compared is the step at which that happens, if it does.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from parity.cases.network import Described, Network
from parity.data import generator
from parity.sides import Keras, Side, Tinyconv
from parity.sides.base import Batch
from tinyconv.backends import available_backends

BATCHES, SAMPLES = 8, 16
_keras = Keras()


def _conv(filters: int, **arguments: Any) -> Described:
    return "Conv2D", {"filters": filters, "kernel_size": 3, "padding": "same", **arguments}


_POOL: Described = ("MaxPooling2D", {"pool_size": 2})
_CLASSES: Described = ("Dense", {"units": 10, "activation": "softmax"})
NETWORKS = {
    "dense": Network(
        (8, 8, 1), (("Flatten", {}), ("Dense", {"units": 16, "activation": "relu"}), _CLASSES)
    ),
    "cnn": Network(
        (8, 8, 1),
        (
            _conv(8, activation="relu"), _POOL, _conv(8, activation="relu"), _POOL,
            ("Flatten", {}), ("Dense", {"units": 16, "activation": "relu"}), _CLASSES,
        ),
    ),
    "normalized": Network(
        (8, 8, 3),
        (
            _conv(6), ("BatchNormalization", {}), ("Activation", {"activation": "relu"}), _POOL,
            _conv(8, strides=2), ("BatchNormalization", {}), ("ReLU", {}),
            ("GlobalAveragePooling2D", {}), ("Dense", {"units": 1, "activation": "sigmoid"}),
        ),
    ),
}  # fmt: skip

RATES = {"SGD": (0.01, 0.3, 10.0), "RMSprop": (1e-3, 0.1, 10.0), "Adam": (1e-3, 0.1, 10.0)}
OPTIMIZERS: tuple[Described, ...] = (
    ("SGD", {}), ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.99, "nesterov": True}),
    ("SGD", {"momentum": 0.9, "clipnorm": 1.0}),
    ("RMSprop", {}), ("RMSprop", {"centered": True}),
    ("RMSprop", {"momentum": 0.9, "centered": True, "rho": 0.5}),
    ("Adam", {}), ("Adam", {"amsgrad": True}), ("Adam", {"beta_2": 0.5, "epsilon": 1e-12}),
    ("AdamW", {"weight_decay": 0.01}), ("Adam", {"global_clipnorm": 0.1}),
)  # fmt: skip


class Run(NamedTuple):
    """A network, an optimizer and its learning rate."""

    network: str
    optimizer: Described
    rate: float

    @property
    def words(self) -> str:
        return f"{self.network}, {self.optimizer[0]}({self.optimizer[1]}), rate {self.rate:g}"


class Trained(NamedTuple):
    """Losses up to the first that is not finite, and whether all weights are finite then."""

    losses: list[float]
    finite: bool


def runs() -> list[Run]:
    """All of them."""
    return [
        Run(network, optimizer, rate)
        for network, optimizer in itertools.product(NETWORKS, OPTIMIZERS)
        for rate in RATES[optimizer[0].removesuffix("W")]
    ]


def train(side: Side, run: Run, steps: int, dtype: str = "float32") -> Trained:
    """The run's losses on that side."""
    with side.precision(dtype):
        side.library.utils.set_random_seed(1)
        network = NETWORKS[run.network]
        model = network.build(side, dtype)
        cls, arguments = run.optimizer
        optimizer = getattr(side.library.optimizers, cls)(run.rate, **arguments)
        binary = run.network == "normalized"
        losses = side.library.losses
        loss = losses.BinaryCrossentropy() if binary else losses.SparseCategoricalCrossentropy()
        side.compile(model, optimizer, loss)
        found: list[float] = []
        for batch in itertools.islice(itertools.cycle(_batches(network, binary, dtype)), steps):
            try:
                value = _step(model, batch)
            except FloatingPointError:  # tinyconv: the weights are those before this step
                return Trained(found, all(np.isfinite(w).all() for w in model.get_weights()))
            if not np.isfinite(value):
                break
            found.append(value)
        return Trained(found, all(np.isfinite(w).all() for w in model.get_weights()))


def _step(model: Any, batch: Batch) -> float:
    model.reset_metrics()
    return float(model.train_on_batch(batch.x, batch.y, return_dict=True)["loss"])


def _batches(network: Network, binary: bool, dtype: str) -> list[Batch]:
    source = generator("steps", network.shape)
    made = []
    for _ in range(BATCHES):
        y = source.integers(0, 2 if binary else 10, SAMPLES)
        x = source.random((SAMPLES, *network.shape)) + 0.2 * y[:, None, None, None]
        made.append(Batch(x.astype(dtype), y[:, None].astype(dtype) if binary else y))
    return made


class Outcome(NamedTuple):
    """One run on one backend beside tf.keras."""

    run: Run
    backend: str
    ours: Trained
    theirs: Trained

    def bad(self, steps: int) -> bool:
        """Whether tf.keras got to the end and tinyconv did not, or left weights not finite."""
        lost = len(self.theirs.losses) == steps > len(self.ours.losses) and self.theirs.finite
        return lost or (not self.ours.finite and self.theirs.finite)

    def __str__(self) -> str:
        told = [f"{self.backend:7} {self.run.words}"]
        for name, each in (("tinyconv", self.ours), ("tf.keras", self.theirs)):
            last = f"{each.losses[-1]:.4g}" if each.losses else "none"
            told.append(f"{name} {len(each.losses)} steps, last loss {last}")
        return ": ".join((told[0], "; ".join(told[1:])))


def campaign(chosen: list[Run], steps: int, backends: list[str]) -> Iterator[Outcome]:
    """Each run on tf.keras, then on each backend."""
    for run in chosen:
        with np.errstate(all="ignore"):
            theirs = train(_keras, run, steps)
            for backend in backends:
                yield Outcome(run, backend, train(Tinyconv(backend), run, steps), theirs)


def main() -> int:
    """The long form; 0 if there is no NaN where tf.keras has none."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust.steps")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--count", type=int, help="runs, drawn from all of them")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the runs")
    parser.add_argument("--backend", action="append", choices=available_backends())
    options = parser.parse_args()
    chosen = random.Random(options.seed).sample(runs(), options.count or len(runs()))
    started, done, bad, stopped = time.monotonic(), 0, 0, 0
    backends = options.backend or available_backends()
    for outcome in campaign(chosen, options.steps, backends):
        done += 1
        stopped += len(outcome.theirs.losses) < options.steps
        if outcome.bad(options.steps):
            bad += 1
            print("RED", end=" ")
        print(outcome, flush=True)
    print(
        f"{done} runs of {options.steps} steps, in {stopped} of them tf.keras itself is not finite "
        f"any more, {bad} red, {time.monotonic() - started:.0f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
