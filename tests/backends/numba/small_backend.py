"""A small backend under the package's own name, run in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

KERNEL = """
from tinyconv.backends.numba._jit import jit
from tinyconv.backends.numba.step import add_step

def kernel_loops(x):
    for i in range(x.size):
        x[i] = add_step(x[i])

kernel = jit(kernel_loops)
"""
STEP = """
from tinyconv.backends.numba._jit import jit
from tinyconv.backends.numba.constants import STEP

def step_loops(value):
    return value + STEP

add_step = jit(step_loops)
"""
PROGRAM = """
import numpy as np
import tinyconv.backends.numba.kernel as module
x = np.zeros(3)
module.kernel(x)
print(x[0], sum(module.kernel.stats.cache_hits.values()))
"""


def start(package: Path, **environment: str) -> subprocess.Popen:
    root = package.parents[2]
    variables = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_CACHE")}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**variables, "PYTHONPATH": str(root), **environment},
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen) -> str:
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    return printed.strip()
