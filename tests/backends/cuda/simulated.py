"""The kernels of numba_cuda/ against the textbook, in Numba's simulator.

test_numba_cuda.py runs this file with NUMBA_ENABLE_CUDASIM=1, which has to be set before
anybody imports numba. A thread of a kernel is a thread of Python there, so the problems are
small and few.
"""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import cuda

from tests.comparison import assert_close
from tests.strategies import VALUES, Fill, fills, windows
from tinyconv.backends.cuda import numba_cuda
from tinyconv.backends.cuda.numba_cuda import launching
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import Window, slide

textbook = NumpyBackend()
DTYPES, BATCH, CHANNELS = (
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 2),
    st.integers(1, 3),
)
few = settings(max_examples=15, deadline=None)


def test_this_is_the_simulator():
    assert "simulator" in type(cuda.jit(lambda: None)).__module__


@few
@given(window=windows((1, 2)), batch=BATCH, channels=CHANNELS, fill=fills(), dtype=DTYPES)
def test_columns(window: Window, batch: int, channels: int, fill: Fill, dtype: str):
    x = fill((batch, *window.input, channels), dtype)
    x[fill.index(x.shape)] = np.nan
    columns = numba_cuda.im2col(x, window)
    expected = textbook.im2col(x, window)
    np.testing.assert_array_equal(columns, expected)
    assert columns.dtype == dtype
    columns = fill(columns.shape, dtype)
    columns[fill.index(columns.shape)] = np.nan
    pixels = numba_cuda.col2im(columns, window)
    assert_close(pixels, textbook.col2im(columns, window), dtype, scale=5)


@few
@given(window=windows(), batch=BATCH, channels=CHANNELS, fill=fills(VALUES), dtype=DTYPES)
def test_max_pool(window: Window, batch: int, channels: int, fill: Fill, dtype: str):
    x = fill((batch, *window.input, channels), dtype)
    x[fill.index(x.shape)] = fill.generator.choice([np.nan, np.inf, -np.inf, 0])
    y, argmax = numba_cuda.max_pool(x, window)
    expected, places = textbook.max_pool(x, window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(argmax, places)
    assert y.dtype == dtype
    dy = fill(y.shape, dtype)
    dy[fill.index(dy.shape)] = np.nan
    dx = numba_cuda.max_pool_backward(dy, argmax, window)
    assert_close(dx, textbook.max_pool_backward(dy, places, window), dtype, scale=5)


def test_threads_that_take_several_elements(monkeypatch):
    """More elements than the grid has threads, and a window of infinities that are equal."""
    monkeypatch.setattr(launching, "_MOST_BLOCKS", 2)
    fill, window = Fill(0), slide((9, 11), (3, 3), (2, 2), "same")
    x = fill((2, 9, 11, 5), "float32")
    x[0, :3] = -np.inf
    np.testing.assert_array_equal(numba_cuda.im2col(x, window), textbook.im2col(x, window))
    y, argmax = numba_cuda.max_pool(x, window)
    expected, places = textbook.max_pool(x, window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(argmax, places)
    columns = fill((2 * 5 * 6, 9 * 5), "float32")
    assert_close(numba_cuda.col2im(columns, window), textbook.col2im(columns, window), "float32")


def test_nothing_to_do():
    window = slide((4, 4), (2, 2), (2, 2), "valid")
    assert numba_cuda.im2col(np.zeros((0, 4, 4, 3)), window).shape == (0, 12)
    assert numba_cuda.max_pool(np.zeros((0, 4, 4, 3)), window)[0].shape == (0, 2, 2, 3)
