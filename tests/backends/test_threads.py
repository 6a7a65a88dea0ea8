"""Threads, forks and interrupts. What may end or hang a process runs in one of its own."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from tinyconv.backends.numba import threads

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

MODEL = """
import multiprocessing, os, sys, threading, time
import numpy as np
import numba
import tinyconv
from tinyconv import layers

def make():
    return tinyconv.Sequential([
        tinyconv.Input((16, 16, 4)),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ])

x = np.random.default_rng(1).normal(size=(64, 16, 16, 4)).astype("float32")
"""


def python(path: Path, code: str, **environment: str) -> str:
    """What a fresh Python prints; its kernels are the ones compiled before."""
    file = path / "program.py"
    file.write_text(MODEL + code)
    root = str(Path(__file__).parents[2])
    variables = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_THREADING")}
    done = subprocess.run(
        [sys.executable, str(file)],
        env={**variables, "PYTHONPATH": root, "TINYCONV_BACKEND": "numba", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# ---- forks ------------------------------------------------------------------

FORK = """
model = make()
expected = model.predict(x, verbose=0)

def compute(queue):
    queue.put(model.predict(x, verbose=0))

context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=compute, args=(queue,))
child.start()
result = queue.get(timeout=200)
child.join()
print(numba.threading_layer(), child.exitcode, np.abs(result - expected).max() < 1e-6)
"""


@forks
def test_a_forked_child_computes_on_one_core_and_says_so(tmp_path: Path):
    printed = python(tmp_path, FORK, NUMBA_NUM_THREADS="2")
    assert "0 True" in printed
    if printed.startswith("omp") and sys.platform == "linux":
        assert 'multiprocessing.get_context("spawn")' in printed


@forks
def test_a_forked_child_has_all_cores_under_workqueue(tmp_path: Path):
    printed = python(tmp_path, FORK, NUMBA_NUM_THREADS="2", NUMBA_THREADING_LAYER="workqueue")
    assert printed == "workqueue 0 True\n"


@forks
def test_a_grandchild_and_a_child_of_an_idle_parent_compute_too(tmp_path: Path):
    code = """
def fork(then):
    child = os.fork()
    if child == 0:
        then()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

def first():  # here nothing has run yet, so this child may use OpenMP
    make().predict(x, verbose=0)
    print(numba.threading_layer(), flush=True)

fork(first)
numba.get_num_threads()  # starts OpenMP, without a kernel
fork(lambda: fork(lambda: make().predict(x, verbose=0)))
print("done")
"""
    assert python(tmp_path, code, PYTHONWARNINGS="ignore").endswith("done\n")


@forks
def test_a_fork_while_others_compute_leaves_no_lock_and_no_count_behind(tmp_path: Path):
    code = """
from threadpoolctl import threadpool_info
from tinyconv.backends.numba import threads, workspace

def blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

model = make()
model.predict(x, verbose=0)
before = blas_threads()
working, finish = threading.Event(), threading.Event()

def hold():
    with threads._lock, workspace._pool._lock:
        working.set()
        finish.wait()

def work(index):
    threading.Thread(target=hold).start()
    finish.wait()

thread = threading.Thread(target=threads.for_each, args=(work, 1))
thread.start()
working.wait()
child = os.fork()
if child == 0:
    model.predict(x, verbose=0)
    os._exit(0 if blas_threads() == before else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
finish.set()
thread.join()
print(blas_threads() == before)
"""
    assert python(tmp_path, code, PYTHONWARNINGS="ignore") == "0\nTrue\n"


def test_spawned_children_use_all_cores(tmp_path: Path):
    code = """
def compute(weights):
    model = make()
    model.set_weights(weights)
    return numba.get_num_threads(), model.predict(x, verbose=0)

if __name__ == "__main__":
    weights = make().get_weights()
    threads, expected = compute(weights)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for child_threads, result in pool.map(compute, [weights, weights]):
            print(child_threads == threads, np.abs(result - expected).max() < 1e-6)
"""
    assert python(tmp_path, code) == "True True\n" * 2


# ---- threads ----------------------------------------------------------------


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_four_threads_predict_what_one_does(tmp_path: Path, layer: str):
    """Under workqueue, Numba aborts the process if two kernels run at once."""
    code = """
from concurrent.futures import ThreadPoolExecutor

model = make()
barrier = threading.Barrier(4)

def work(_):
    barrier.wait()  # so that the very first kernels meet as well
    return [model.predict(x, verbose=0) for _ in range(20)]

with ThreadPoolExecutor(4) as executor:
    answers = [y for results in executor.map(work, range(4)) for y in results]
expected = model.predict(x, verbose=0)
print(all(np.array_equal(y, expected) for y in answers))
"""
    assert python(tmp_path, code, NUMBA_NUM_THREADS="2", NUMBA_THREADING_LAYER=layer) == "True\n"


def test_the_priority_of_layers_may_be_chosen(tmp_path: Path):
    code = "make().predict(x, verbose=0); print(numba.threading_layer())"
    priority = "workqueue omp tbb"
    printed = python(tmp_path, code, NUMBA_THREADING_LAYER_PRIORITY=priority)
    assert printed == "workqueue\n"


# ---- errors and interrupts --------------------------------------------------


def blas_threads() -> list[int]:
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def test_every_piece_is_done_once():
    done: list[int] = []
    threads.for_each(done.append, 1000)
    assert sorted(done) == list(range(1000))


def test_blas_uses_one_thread_inside_and_as_many_as_before_outside():
    before = blas_threads()
    inside: list[list[int]] = []
    threads.for_each(lambda index: inside.append(blas_threads()), 1)
    assert inside == [[1] * len(before)]
    assert blas_threads() == before


@pytest.mark.parametrize("error", [ZeroDivisionError, IndexError, KeyboardInterrupt])
@pytest.mark.parametrize("by_helper", [False, True])
def test_an_error_is_raised_and_ends_the_work(monkeypatch, error: type, by_helper: bool):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    before, caller = blas_threads(), threading.get_ident()
    failed, begun = threading.Event(), []

    def work(index: int) -> None:
        begun.append(index)
        if (threading.get_ident() != caller) == by_helper:
            failed.set()
            raise error
        failed.wait()

    with pytest.raises(error):
        threads.for_each(work, 1000)
    assert len(begun) <= 6
    assert blas_threads() == before
    assert not threads._blas_users


def before_and_after(name: str):
    """The function, interrupted before it does anything, and after it has done everything."""
    original = getattr(threads, name)

    calls = []

    def before(*arguments):
        calls.append(name)
        if len(calls) == 1:  # the second call restores
            raise KeyboardInterrupt
        original(*arguments)

    def after(*arguments):
        calls.append(name)
        original(*arguments)
        if len(calls) == 1:
            raise KeyboardInterrupt

    return before, after


@pytest.mark.parametrize("name", ["_ensure_helpers", "_start_blas_use", "_set_blas_threads"])
@pytest.mark.parametrize("when", [0, 1])
def test_ctrl_c_while_the_work_is_prepared(monkeypatch, name: str, when: int):
    before = blas_threads()
    with monkeypatch.context() as patch:
        patch.setattr(threads, name, before_and_after(name)[when])
        with pytest.raises(KeyboardInterrupt):
            threads.for_each(lambda index: None, 4)
    assert blas_threads() == before
    assert not threads._blas_users


def test_ctrl_c_between_two_jobs(monkeypatch):
    class Queue:
        left = 1

        def put(self, job: threads.Job) -> None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt

    before, done = blas_threads(), []
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    monkeypatch.setattr(threads, "_ensure_helpers", lambda count: None)
    with monkeypatch.context() as patch:
        patch.setattr(threads, "_jobs", Queue())
        with pytest.raises(KeyboardInterrupt):
            threads.for_each(done.append, 4)
    assert (blas_threads(), done) == (before, [])
    threads.for_each(done.append, 4)
    assert sorted(done) == [0, 1, 2, 3]
