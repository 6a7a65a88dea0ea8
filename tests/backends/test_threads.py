"""Threads and forks. What may end or hang a process runs in one of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
def test_a_fork_while_others_compute_leaves_no_lock_behind(tmp_path: Path):
    code = """
from tinyconv.backends.numba import threads, workspace

model = make()
model.predict(x, verbose=0)
working, finish = threading.Event(), threading.Event()

def hold():
    with threads._lock, workspace._pool._lock:
        working.set()
        finish.wait()

thread = threading.Thread(target=hold)
thread.start()
working.wait()
child = os.fork()
if child == 0:
    tinyconv.set_num_threads(1)
    model.predict(x, verbose=0)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
finish.set()
thread.join()
"""
    assert python(tmp_path, code, PYTHONWARNINGS="ignore") == "0\n"


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
