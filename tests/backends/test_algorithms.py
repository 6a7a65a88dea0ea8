"""Every algorithm of convolution against the textbook, whatever the chooser would choose.

What it would choose is in test_choice.py. Winograd's accuracy and tiles are in test_winograd.py.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.convolution_problems import HALVES, Problem, inputs, problems
from tests.comparison import assert_close
from tests.strategies import Fill, fills
from tinyconv.backends import load
from tinyconv.backends.numba.convolution import epilogue, implicit_gemm
from tinyconv.backends.numba.convolution.case import PLAIN, SHUT, Epilogue
from tinyconv.backends.numba.convolution.chooser import ALGORITHMS
from tinyconv.geometry import slide

textbook = load("numpy")
EXACT = [name for name in ALGORITHMS if not name.startswith("winograd")]


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=25)
@given(problem=problems(), fill=fills(), dtype=st.sampled_from(["float32", "float64"]))
def test_three_operations(name: str, problem: Problem, fill: Fill, dtype: str):
    algorithm, (window, groups) = ALGORITHMS[name], problem[:2]
    if algorithm.reason_against(problem.case(dtype, "forward")) is not None:
        return
    x, kernel, dz, _ = inputs(problem, fill, dtype)
    z, codes = algorithm.forward(x, kernel, window, groups, PLAIN)
    assert codes is None
    assert_close(z, textbook.conv2d(x, kernel, window, groups), dtype, scale=10)
    dx = algorithm.input_gradient(dz, kernel, window, groups)
    expected = textbook.conv2d_input_gradient(dz, kernel, window, groups)
    assert_close(dx, expected, dtype, scale=10)
    dkernel = algorithm.kernel_gradient(x, dz, window, groups)
    expected = textbook.conv2d_kernel_gradient(x, dz, window, groups)
    assert_close(dkernel, expected, dtype, scale=10)


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=25)
@given(
    problem=problems(), fill=fills(values=("ties",)), relu=st.booleans(), pool=st.booleans(),
    bias=st.booleans(), dtype=st.sampled_from(["float32", "float64"]),
)  # fmt: skip
def test_epilogue(name: str, problem: Problem, fill: Fill, relu, pool, bias, dtype):
    """Small integers: the sums are exact, so even ties are the textbook's."""
    algorithm, (window, groups) = ALGORITHMS[name], problem[:2]
    if algorithm.reason_against(problem.case(dtype, "forward")) is not None:
        return
    pool = pool and min(window.output) >= 2
    x, kernel, _, shift = inputs(problem, fill, dtype)
    y = textbook.conv2d(x, kernel, window, groups) + (shift if bias else 0)
    y = np.maximum(y, 0) if relu else y
    places = None
    if pool:
        y, places = textbook.max_pool(y, slide(window.output, *HALVES))
        places = np.where(relu & (y <= 0), SHUT, places)
    what = Epilogue(shift if bias else None, relu, pool, codes=pool)
    result, codes = algorithm.forward(x, kernel, window, groups, what)
    np.testing.assert_array_equal(result, y)
    assert result.dtype == dtype
    if pool:
        np.testing.assert_array_equal(codes, places)
        result, none = algorithm.forward(x, kernel, window, groups, what._replace(codes=False))
        np.testing.assert_array_equal(result, y)
        assert none is None


@settings(max_examples=25)
@given(problem=problems(), fill=fills(), dtype=st.sampled_from(["float32", "float64"]))
def test_gradient_of_a_pooled_block_without_dz(problem: Problem, fill: Fill, dtype: str):
    """The same numbers as un-pooling first, for what feeds the first layer."""
    window, groups = problem[:2]
    if min(window.output) < 2:
        return
    x, kernel, _, bias = inputs(problem, fill, dtype)
    y, codes = implicit_gemm.forward(x, kernel, window, groups, Epilogue(bias, True, True, True))
    dy = np.ascontiguousarray(fill(y.shape, dtype))
    dz, expected = epilogue.unpooled(dy, codes, window.output)
    dkernel, dbias = implicit_gemm.block_gradient(x, dy, codes, window, groups)
    assert_close(dbias, expected, dtype, scale=10)
    expected = textbook.conv2d_kernel_gradient(x, dz, window, groups)
    assert_close(dkernel, expected, dtype, scale=10)


# ---- NaN ------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [3, 40])  # the loops for leftovers, and vectors
@pytest.mark.parametrize("tap", range(4))
def test_nan_wins_the_pool_and_shuts_the_relu(dtype: str, channels: int, tap: int):
    z = np.arange(4 * channels, dtype=dtype).reshape(1, 2, 2, channels)
    z[0, tap // 2, tap % 2] = np.nan
    y, codes = epilogue.finish(z, Epilogue(None, True, True, True))
    assert np.isnan(y).all()
    assert (codes == SHUT).all()
    y, codes = epilogue.finish(z, Epilogue(None, False, True, True))
    assert np.isnan(y).all()
    assert (codes == tap).all()


@pytest.mark.parametrize("channels", [3, 40])
def test_a_bad_gradient_is_seen_behind_a_shut_relu(dtype: str, channels: int):
    dy = np.full((1, 1, 1, channels), np.nan, dtype)
    dz, dbias = epilogue.unpooled(dy, np.full(dy.shape, SHUT, np.uint8), (3, 3))
    assert np.isnan(dz).sum() == channels
    assert np.isnan(dbias).all()
    assert (dz[:, 2] == 0).all()  # beyond the last window
    assert (dz[:, :, 2] == 0).all()


# ---- threads ----------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3])
def test_any_number_of_threads(dtype: str, batch: int, monkeypatch: pytest.MonkeyPatch):
    """The same numbers from 1, 2 and 5, and the same bits again from as many."""
    window, fill = slide((21, 18), (3, 3), (2, 1), "same"), Fill(0)
    problem = Problem(window, 1, batch, 18, 40)
    x, kernel, dz, bias = inputs(problem, fill, dtype)
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(implicit_gemm, "thread_count", lambda threads=threads: threads)
        for _ in range(2):
            y, codes = implicit_gemm.forward(x, kernel, window, 1, Epilogue(bias, True, True, True))
            dx = implicit_gemm.input_gradient(dz, kernel, window, 1)
            results.append((y, codes, dx, implicit_gemm.kernel_gradient(x, dz, window, 1)))
        for first, second in zip(*results[-2:], strict=True):
            np.testing.assert_array_equal(first, second)
    for other in results[2:]:
        for first, second in zip(results[0][:3], other[:3], strict=True):
            np.testing.assert_array_equal(first, second)
        assert_close(other[3], results[0][3], dtype, scale=10)


def test_sums_of_the_kernel_gradient_have_bounded_memory(monkeypatch: pytest.MonkeyPatch):
    window, fill = slide((9, 9), (3, 3), (1, 1), "same"), Fill(0)
    x, _, dz, _ = inputs(Problem(window, 1, 4, 18, 40), fill, "float32")
    expected = implicit_gemm.kernel_gradient(x, dz, window, 1)
    shapes: list[tuple[int, ...]] = []

    def several(dtype, *asked):
        shapes.extend(asked)
        return [np.empty(shape, dtype) for shape in asked]

    monkeypatch.setattr(implicit_gemm, "thread_count", lambda: 5)
    monkeypatch.setattr(implicit_gemm, "several", several)
    for threads in (5, 2, 1):
        result = implicit_gemm.kernel_gradient(x, dz, window, 1)
        assert_close(result, expected, "float32", scale=10)
        (sums,) = (shape for shape in shapes if len(shape) == 6)
        assert sums[0] == threads
        shapes.clear()
        limit = 4 * math.prod(sums[1:]) * (2 if threads == 5 else 0)  # for two, then for none
        monkeypatch.setattr(implicit_gemm, "SUM_BYTES", limit)
