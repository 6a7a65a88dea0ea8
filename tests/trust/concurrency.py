"""Several threads and processes at once: `python -m tests.trust.concurrency --count N`.

predictions    8 threads, one model: what one thread gives, bit for bit, also where the
               first calls meet (kernels that nobody has compiled, a model not yet built)
trainings      two at once, in threads and in processes that share an empty kernel cache
workers        forked and spawned ones that compute while their parent does, with each of
               Numba's threading layers; forks in the middle of compiling
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import tinyconv
from tests.trust.networks import NETWORKS, drawn, images, labels, settle
from tests.trust.programs import fresh_seed, printed, python, start

BACKENDS = ("numpy", "numba")
THREADS = 8


def together(work: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """What `work` gives for 0, 1, ... in threads that begin at the same moment."""
    barrier = threading.Barrier(threads)

    def begin(number: int) -> Any:
        barrier.wait(60)
        return work(number)

    with ThreadPoolExecutor(threads) as executor:
        return list(executor.map(begin, range(threads)))


# ---- predictions ----------------------------------------------------------------


def predict_together(model: tinyconv.Model, seed: int, threads: int = THREADS) -> None:
    """Several threads predict, each its own images and some that all have."""
    shared = images(7, seed)
    own = [images(1 + (seed + 3 * number) % 9, seed + number) for number in range(threads)]

    def work(number: int) -> list[np.ndarray]:
        return [
            model.predict(own[number], batch_size=4, verbose=0),
            model.predict(shared, verbose=0),
            model.predict_on_batch(own[number]),
            np.asarray(model(shared)),
        ]

    answers = together(work, threads)
    for number, answer in enumerate(answers):
        for result, expected in zip(answer, work(number), strict=True):
            assert np.isfinite(expected).all()
            np.testing.assert_array_equal(result, expected, f"seed {seed}, thread {number}")


def predictions(count: int, seed: int) -> int:
    """So many drawn networks, and those of NETWORKS, on each backend."""
    done = 0
    for backend in BACKENDS:
        with tinyconv.use_backend(backend):
            for make in NETWORKS.values():
                predict_together(make(), seed)
                done += 1
            for number in range(count):
                predict_together(settle(drawn(seed + number), seed), seed + number)
                done += 1
    return done


def first_calls(seed: int) -> None:
    """Run in a process of its own whose kernel cache is empty: all threads have to compile."""
    for make in NETWORKS.values():
        predict_together(make(), seed)
    print("the first calls are right")


def cold_predictions(seed: int, folder: Path, **changes: str | None) -> None:
    """The very first calls of a process, 8 at once, while nothing is compiled."""
    code = f"from tests.trust import concurrency; concurrency.first_calls({seed})"
    cache = str(folder / f"kernels {seed}")
    done = python("-c", code, TINYCONV_BACKEND="numba", NUMBA_CACHE_DIR=cache, **changes)
    assert printed(done) == "the first calls are right\n", done.stderr
    assert not list(Path(cache).rglob("*.new"))


# ---- trainings ------------------------------------------------------------------


def train(seed: int, network: str = "plain") -> list[np.ndarray]:
    """A short training; weights, slots and losses.

    The shared generator of random numbers is left alone: with their own seeds two trainings
    do not depend on each other.
    """
    model = settle(NETWORKS[network](), seed)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = images(40, seed), labels(40, seed)
    history = model.fit(x, y, 8, epochs=2, shuffle=False, verbose=0, validation_split=0.2)
    slots = [model.optimizer.slots[name].copy() for name in ("m", "v")]
    return [*model.get_weights(), *slots, *map(np.asarray, history.history.values())]


def assert_same(results: list[np.ndarray], expected: list[np.ndarray], told: str) -> None:
    for result, wanted in zip(results, expected, strict=True):
        assert np.isfinite(wanted).all()
        np.testing.assert_array_equal(result, wanted, told)


def trainings_in_threads(count: int, seed: int) -> int:
    """Two trainings at once, so many times on each backend."""
    networks = ("plain", "graph")
    for backend in BACKENDS:
        with tinyconv.use_backend(backend):
            for number in range(seed, seed + count):
                results = together(lambda i, n=number: train(n + i, networks[i]), 2)
                for i, result in enumerate(results):
                    assert_same(result, train(number + i, networks[i]), f"{backend}, seed {number}")
    return 2 * count


def train_to(file: str, seed: int, network: str) -> None:
    """`train`, its results in a file."""
    np.savez(file, *train(seed, network))


def trainings_in_processes(seed: int, folder: Path, network: str = "plain") -> None:
    """Two processes train at once and share a kernel cache, which is empty when they begin."""
    cache, running = str(folder / "cache"), []
    for number in range(2):
        file = str(folder / f"{number}.npz")
        code = (
            "from tests.trust import concurrency\n"
            f"concurrency.train_to({file!r}, {seed + number}, {network!r})"
        )
        running.append((start("-c", code, TINYCONV_BACKEND="numba", NUMBA_CACHE_DIR=cache), file))
    for number, (process, file) in enumerate(running):
        output, _ = process.communicate(timeout=900)
        assert process.returncode == 0, output
        with np.load(file) as arrays, tinyconv.use_backend("numba"):
            assert_same(list(arrays.values()), train(seed + number, network), f"seed {seed}")
    assert list(Path(cache).rglob("*.kernel"))
    assert not list(Path(cache).rglob("*.new"))


# ---- the command ------------------------------------------------------------------


def cold_network() -> None:
    """Compile what the campaign in this process uses, so that it is measured by itself."""
    for make in NETWORKS.values():
        make().predict(images(3, 0), verbose=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--cold", type=int, default=0, help="rounds with an empty kernel cache")
    arguments = parser.parse_args()
    seed, began = fresh_seed(), time.perf_counter()
    from tests.trust import workers

    cold_network()
    summary: dict[str, Any] = {"seed": seed}
    summary["networks, 8 threads"] = predictions(arguments.count, seed)
    summary["pairs of trainings in threads"] = trainings_in_threads(arguments.count, seed)
    summary["workers"] = workers.workers(arguments.count, seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.cold):
            cold_predictions(seed + number, Path(folder))
            own = Path(folder) / str(number)
            own.mkdir()
            trainings_in_processes(seed + number, own)
            workers.forks_while_compiling(seed + number, own)
    summary["cold: first calls, pairs of processes, forks while compiling"] = arguments.cold
    summary["seconds"] = round(time.perf_counter() - began)
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
