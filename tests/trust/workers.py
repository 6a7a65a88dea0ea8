"""Processes that are forked or spawned while their parent computes; part of concurrency.py.

Which of Numba's threading layers a program gets is chosen by its environment, so each program
here is run in a process of its own: `python -m tests.trust.workers PROGRAM SEED [START]`.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinyconv
from tests.trust.networks import images, labels, plain, settle
from tests.trust.programs import printed, python

PATIENCE = 120.0  # seconds after which a child is taken to hang


def threading_layers() -> list[str]:
    """Those of Numba's that can be had here; workqueue always."""
    found = ["workqueue"]
    if ctypes.util.find_library("gomp") or sys.platform == "linux":
        found.append("omp")
    with contextlib.suppress(ImportError, OSError):
        from numba.np.ufunc import tbbpool  # noqa: F401  (it looks for the library)

        found.append("tbb")
    return found


# ---- programs -------------------------------------------------------------------


class Batches:
    """What a loader's workers make: features of some images, by a network of their own."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, number: int) -> tuple[int, np.ndarray, np.ndarray]:
        features = settle(plain(), self.seed).predict(images(8, number), verbose=0)
        return number, features, labels(8, number)


def loader(seed: int, start: str) -> None:
    """Workers prepare batches while their parent, which has computed before, trains on them."""
    warnings.simplefilter("ignore")  # of a fork with threads, and on one core
    make, numbers = Batches(seed), list(range(seed, seed + 6))
    head = tinyconv.Sequential([
        tinyconv.Input((5,)), tinyconv.layers.Dense(64, activation="relu"),
        tinyconv.layers.Dense(5, activation="softmax"),
    ])  # fmt: skip
    head.compile("adam", "sparse_categorical_crossentropy")
    expected = {number: make(number)[1] for number in numbers}
    context: Any = multiprocessing.get_context(start)
    with context.Pool(2) as pool:

        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for number, x, y in pool.imap(make, numbers):
                np.testing.assert_allclose(x, expected[number], rtol=1e-4, atol=1e-6)
                yield x, y

        for _ in range(2):
            head.fit(batches(), epochs=1, verbose=0)
    assert head.optimizer is not None
    assert head.optimizer.iterations == 2 * len(numbers)
    print("trained")


def forks(seed: int) -> None:
    """Forks at odd moments, while a thread compiles and predicts; every child computes."""
    warnings.simplefilter("ignore")
    model, rng = settle(plain(), seed), np.random.default_rng(seed)
    x, over, answers = images(6, seed), threading.Event(), []

    def work() -> None:
        while not over.is_set():
            answers.append(model.predict(x, verbose=0))

    thread = threading.Thread(target=work)
    thread.start()
    children = []
    try:
        for _ in range(6):
            time.sleep(float(rng.uniform(0, 1.5)))
            child = os.fork()
            if child == 0:
                result = model.predict(x, verbose=0)
                os._exit(0 if np.isfinite(result).all() else 3)
            children.append(child)
        for child in children:
            assert _status(child) == 0
    finally:
        over.set()
        thread.join()
    for answer in answers:
        np.testing.assert_array_equal(answer, answers[0])
    print("forked")


def _status(child: int) -> int:
    """The exit status of a child; a hanging one is killed, and counts as -9."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, 9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# ---- campaigns --------------------------------------------------------------------


def run(program: str, seed: int, *more: str, **changes: str | None) -> str:
    """What a program here prints, under the threading layer that `changes` asks for."""
    arguments = ("-m", "tests.trust.workers", program, seed, *more)
    return printed(python(*arguments, TINYCONV_BACKEND="numba", **changes))


def workers(count: int, seed: int) -> int:
    """Loaders by fork and by spawn, in turn under each threading layer."""
    done = 0
    for layer in threading_layers():
        for start in ("fork", "spawn"):
            for number in range(max(1, count // 10)):
                said = run("loader", seed + number, start, NUMBA_THREADING_LAYER=layer)
                assert said == "trained\n", (layer, start, said)
                done += 1
    return done


def forks_while_compiling(seed: int, folder: Path) -> int:
    """Forks while a thread compiles everything for the first time."""
    layers = threading_layers()
    for layer in layers:
        cache = str(folder / f"forks under {layer}")
        said = run("forks", seed, NUMBA_THREADING_LAYER=layer, NUMBA_CACHE_DIR=cache)
        assert said == "forked\n", (layer, said)
    return len(layers)


if __name__ == "__main__":
    {"loader": loader, "forks": forks}[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])
