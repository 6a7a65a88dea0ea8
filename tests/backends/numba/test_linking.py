"""Kernels that are called from kernels: compiled once, found again by their callers."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import prange

from tests.backends.numba.small_backend import finish, start
from tinyconv.backends.numba import kernel_cache
from tinyconv.backends.numba._jit import jit, jit_inner, jit_parallel


def fill_loops(row, first, step):
    if step == 0:
        raise ValueError("step must not be 0")
    for i in range(row.size):
        row[i] = first + i * step


fill = jit_inner(fill_loops)


def table_loops(table, step):
    for i in prange(table.shape[0]):
        fill(table[i], 10 * i, step)


@pytest.mark.parametrize("compiled", [jit, jit_parallel])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_kernel_does_what_its_function_does(compiled, dtype):
    table = np.empty((200, 100), dtype)
    compiled(table_loops)(table, 2)
    np.testing.assert_array_equal(table, 10 * np.arange(200)[:, None] + 2 * np.arange(100))


def test_it_is_compiled_once_for_all_its_callers(tmp_path, monkeypatch):
    monkeypatch.setattr(kernel_cache, "folder", lambda: tmp_path)
    table = np.empty((2, 3), "int32")  # a type that the tests above leave alone
    jit(table_loops)(table, 1)
    jit(table_loops, fast=False)(table, 1)
    names = sorted(path.name.partition("-")[0] for path in tmp_path.iterdir())
    assert [name.rpartition(".")[2] for name in names] == ["fill_loops"] + 2 * ["table_loops"]


def test_errors_come_through():
    with pytest.raises(ValueError, match="step must not be 0"):
        jit(table_loops)(np.empty((2, 3)), 0)


def test_without_jit_it_is_plain_python():
    program = """
import numpy as np
from tests.backends.numba.test_linking import fill, fill_loops, jit, table_loops
assert fill is fill_loops
table = np.empty((2, 3))
jit(table_loops)(table, 1)
print(table.sum())
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(run.stdout) == 36


# ---- from the disk -----------------------------------------------------------------

KERNEL = """
from tinyconv.backends.numba._jit import jit
from tinyconv.backends.numba.step import add_steps

def kernel_loops(x):
    add_steps(x, x.size)

kernel = jit(kernel_loops)
"""
STEP = """
from tinyconv.backends.numba._jit import jit_inner
from tinyconv.backends.numba.constants import STEP

def steps_loops(x, count):
    for i in range(count):
        x[i] += STEP

add_steps = jit_inner(steps_loops)
"""


@pytest.fixture
def linked_package(package):
    (package / "kernel.py").write_text(KERNEL)
    (package / "step.py").write_text(STEP)
    return package


def test_caller_and_callee_are_found_again(linked_package):
    assert finish(start(linked_package)) == "1.0 0"
    assert finish(start(linked_package)) == "1.0 1"


def test_a_callee_that_is_lost_is_compiled_again(linked_package):
    assert finish(start(linked_package)) == "1.0 0"
    (lost,) = (linked_package / "__pycache__").glob("step.*.kernel")
    lost.unlink()
    assert finish(start(linked_package)) == "1.0 1"
    assert lost.exists()


def test_a_changed_constant_of_the_callee_is_noticed(linked_package):
    assert finish(start(linked_package)) == "1.0 0"
    (linked_package / "constants.py").write_text("STEP = 2.0\n")
    assert finish(start(linked_package)) == "2.0 0"
    (linked_package / "constants.py").write_text("STEP = 1.0\n")
    assert finish(start(linked_package)) == "1.0 1"
