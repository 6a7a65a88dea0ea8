"""`python -m tests.trust.soak`: does a process that is used for hours hold what it held at first?

One round is what people do with models: train (arrays, and a generator that a thread reads
ahead), evaluate, predict (odd numbers of images, and from another thread), save and load
(`.keras`, `.h5`, `.weights.h5`), each with the book's CNN, the network of the cats and dogs made
small, and a graph. Predictions of what was loaded must be those of what was saved.

After the warm-up the process' own memory must be flat to 1 %, the last fifth of the time beside
the first. Nothing else may grow at all: threads, open files, what caches and globals hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinyconv
from parity.cases.network import CNN, NORMALIZED, Network
from parity.sides import Tinyconv
from tests.backends.cuda import small_models
from tests.trust.holdings import Holdings, holdings
from tinyconv import callbacks, losses, optimizers

GROWTH = 0.01  # of memory, beside that after the warm-up
WARM_UP = 0.15  # of the time, or of the rounds
FORMATS = (".keras", ".h5")
# Their sizes follow what is in work at the moment; all else is either constant or a leak.
_MEASURED = ("own", "pool", "objects")
_TOLD = ("mapped",)  # the system's affair


class Work:
    """The models and their data, and the rounds over them.

    Args:
        images: a round trains each model on.
        sizes: how many different numbers of images are predicted, in turn.
        folder: where models are saved, over and over.
    """

    def __init__(self, backend: str, images: int, sizes: int, folder: Path) -> None:
        self._folder, self._images, self._sizes, self._rounds = folder, images, sizes, 0
        self._rng = np.random.default_rng(0)
        side = Tinyconv(backend)
        self._models = [
            self._compiled(_built(CNN, side), optimizers.Adam(), "sparse_categorical_crossentropy"),
            self._compiled(
                _built(NORMALIZED, side),
                optimizers.RMSprop(0.001, momentum=0.9, centered=True),
                losses.BinaryCrossentropy(),
            ),
            self._compiled(
                small_models.graph(), optimizers.SGD(0.01, momentum=0.9), "binary_crossentropy"
            ),
        ]

    def round(self) -> None:
        """Everything once, with every model."""
        for model in self._models:
            self._once(model)
        self._rounds += 1

    def _once(self, model: Any) -> None:
        x, y = self._data(model)
        quiet = {"verbose": 0}
        log = callbacks.CSVLogger(str(self._folder / "log.csv"))
        keep = callbacks.ModelCheckpoint(str(self._folder / "best.keras"), monitor="loss")
        history = model.fit(
            x, y, batch_size=32, validation_split=0.25, callbacks=[log, keep], **quiet
        ).history
        assert np.isfinite(history["loss"]).all()
        model.fit(_batches(x, y, 16), steps_per_epoch=2, **quiet)
        model.evaluate(x, y, batch_size=50, **quiet)
        few = x[: 1 + self._rounds % self._sizes]
        expected = model.predict(few, **quiet)
        np.testing.assert_array_equal(_in_a_thread(lambda: model.predict(few, **quiet)), expected)
        for suffix in FORMATS:
            path = self._folder / f"model{suffix}"
            model.save(str(path))
            loaded = tinyconv.models.load_model(str(path))
            np.testing.assert_array_equal(loaded.predict(few, **quiet), expected)
            loaded.train_on_batch(x[:16], y[:16])  # with the optimizer that came along
        path = self._folder / "model.weights.h5"
        model.save_weights(str(path))
        model.load_weights(str(path))
        np.testing.assert_array_equal(model.predict(few, **quiet), expected)

    def _compiled(self, model: Any, optimizer: Any, loss: Any) -> Any:
        model.compile(optimizer, loss, metrics=["accuracy"])
        return model

    def _data(self, model: Any) -> tuple[np.ndarray, np.ndarray]:
        """New images every time; what is bright in the middle is of the later classes."""
        shape, classes = model.input_shape[1:], model.output_shape[-1]
        x = self._rng.random((self._images, *shape), dtype=np.float32)
        y = self._rng.integers(0, max(classes, 2), self._images)
        x[:, shape[0] // 2] += 0.1 * y[:, None, None]
        return x, y if classes > 1 else y[:, None].astype("float32")


def _built(network: Network, side: Tinyconv) -> Any:
    return network.build(side, "float32", random_weights=False)


def _batches(x: np.ndarray, y: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(x), size):
        yield x[start : start + size], y[start : start + size]


def _in_a_thread(function: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def soak(
    backend: str,
    *,
    minutes: float | None = None,
    rounds: int | None = None,
    images: int = 128,
    sizes: int = 13,
    between: float = 10.0,
    tell: Callable[[float, int, Holdings], None] | None = None,
) -> list[Holdings]:
    """Rounds for that long, or that many, and the holdings at the end of some of them.

    Args:
        between: seconds from one look at the holdings to the next.
    """
    found: list[Holdings] = []
    with tempfile.TemporaryDirectory() as folder, tinyconv.use_backend(backend):
        tinyconv.utils.set_random_seed(0)
        work = Work(backend, images, sizes, Path(folder))
        started = looked = time.monotonic()
        done = 0
        while done < rounds if minutes is None else time.monotonic() - started < 60 * minutes:
            work.round()
            done += 1
            if (now := time.monotonic()) - looked >= between:
                looked = now
                found.append(holdings())
                if tell:
                    tell(now - started, done, found[-1])
    return found


def growth(found: list[Holdings]) -> dict[str, tuple[float, float]]:
    """Of every holding, what it was after the warm-up and at the end, a fifth of the time each.

    What malloc has back it keeps or returns as it likes, a model's parameters at a time, so that
    memory goes up and down: its band is told, the 5 % and the 95 % of the looks, and neither end
    may move. Of all else the most.
    """
    settled = found[round(WARM_UP * len(found)) :]
    fifth = max(1, len(settled) // 5)
    parts, told = (settled[:fifth], settled[-fifth:]), {}
    for name in Holdings._fields:
        columns = [sorted(getattr(each, name) for each in part) for part in parts]
        if name in _MEASURED:
            told[f"{name}, low"] = tuple(column[len(column) // 20] for column in columns)
            told[f"{name}, high"] = tuple(column[-1 - len(column) // 20] for column in columns)
        else:
            told[name] = tuple(column[-1] for column in columns)
    return told


def grown(found: list[Holdings], allowed: float = GROWTH) -> list[str]:
    """What has grown, in words; `allowed` is the share by which memory and objects may."""
    problems = []
    for name, (before, after) in growth(found).items():
        share = allowed if name.split(",")[0] in _MEASURED else 0.0
        if name not in _TOLD and after > before * (1 + share):
            problems.append(f"{name}: {before:g} after the warm-up, {after:g} at the end")
    return problems


def main() -> int:
    """The long form; 0 if nothing has grown."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--backend", default="numba", choices=tinyconv.available_backends())
    parser.add_argument("--images", type=int, default=128, help="that a round trains on")
    options = parser.parse_args()

    def tell(seconds: float, done: int, now: Holdings) -> None:
        numbers = "  ".join(f"{name} {value:.6g}" for name, value in now._asdict().items())
        print(f"{seconds:7.0f} s  round {done:5}  {numbers}", flush=True)

    found = soak(options.backend, minutes=options.minutes, images=options.images, tell=tell)
    print(f"\n{options.backend}, {options.minutes:g} minutes, {len(found)} looks")
    for name, (before, after) in growth(found).items():
        change = (after - before) / before if before else float(after > before)
        print(f"{name:>13} {before:12.6g} {after:12.6g} {change:+10.2%}")
    problems = grown(found)
    print("\n".join(problems) or f"nothing has grown; memory is flat to {GROWTH:.0%}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
