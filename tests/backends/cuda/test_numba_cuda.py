"""The kernels in Numba CUDA: tested in the simulator, in a process of its own, and on a GPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.comparison import assert_close
from tests.strategies import Fill
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import slide

SIMULATED = Path(__file__).with_name("simulated.py")


def test_in_the_simulator():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(SIMULATED)],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    count = len(re.findall(r"^def test_", SIMULATED.read_text(encoding="utf-8"), re.MULTILINE))
    assert re.search(rf"\b{count} passed", done.stdout), done.stdout


@pytest.mark.gpu
def test_on_a_gpu(dtype: str):
    """Compiled, on CuPy's arrays, strided ones too."""
    import cupy

    from tinyconv.backends.cuda import numba_cuda

    textbook, fill = NumpyBackend(), Fill(0)
    window = slide((113, 97), (3, 2), (2, 1), "same", (1, 2))
    pool = slide((113, 97), (3, 3), (2, 2), "same")
    x = fill((9, 113, 97, 17), dtype)
    x[fill.index(x.shape)] = np.nan
    on_device = cupy.asarray(np.ascontiguousarray(x.T)).T
    expected = textbook.im2col(x, window)
    np.testing.assert_array_equal(numba_cuda.im2col(on_device, window).get(), expected)
    y, argmax = numba_cuda.max_pool(on_device, pool)
    expected, places = textbook.max_pool(x, pool)
    np.testing.assert_array_equal(y.get(), expected)
    np.testing.assert_array_equal(argmax.get(), places)
    columns, dy = fill((9 * 57 * 97, 6 * 17), dtype), fill(y.shape, dtype)
    pixels = numba_cuda.col2im(cupy.asarray(columns), window).get()
    assert_close(pixels, textbook.col2im(columns, window), dtype, scale=5)
    dx = numba_cuda.max_pool_backward(cupy.asarray(dy), argmax, pool).get()
    assert_close(dx, textbook.max_pool_backward(dy, places, pool), dtype, scale=5)
