"""No kernel reads or writes beside its arrays, which a GPU would often let pass."""

import subprocess
import sys

import numpy as np
import pytest

from tests.backends.cuda import guarded

GUARDS = pytest.mark.parametrize("side", ["start", "end"])


@GUARDS
def test_every_operation_stays_inside(side: str):
    done = subprocess.run(
        [sys.executable, "-m", guarded.__name__, side], capture_output=True, text=True, check=False
    )
    last = done.stdout.splitlines()[-1:]
    assert (done.returncode, last) == (0, ["all inside"]), f"after {last}:\n{done.stderr}"


@GUARDS
def test_the_guard_bites(side: str):
    """A kernel that is told of one row more than there is ends the process."""
    code = f"""
import numpy as np
from tests.backends.cuda.guarded import GuardedDevice
x, y = np.zeros((4, 1024), "float32"), np.zeros(1024, "float32")
rows = np.array([{-1 if side == "start" else 4}])
device = GuardedDevice({side == "start"})
device.launch("gather:gather_floats", "float32", 1024, x, rows, np.int64(1024), y)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode < 0


@GUARDS
def test_results_come_back(side: str):
    device = guarded.GuardedDevice(side == "start")
    x = np.arange(35, dtype="float32").reshape(7, 5)
    for shifted in (np.zeros(15, "float32"), np.zeros(16, "float32")[1:]):
        y = shifted.reshape(3, 5)
        device.launch("gather:gather_floats", "float32", 15, x, np.array([6, 0, 1]), np.int64(5), y)
        np.testing.assert_array_equal(y, x[[6, 0, 1]])
