"""Every algorithm of convolution against the textbook, whatever the chooser would choose.

Winograd's accuracy and tiles have a file of their own, test_winograd.py.
"""

import math
import os
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinyconv
from tests.comparison import assert_close
from tests.strategies import Fill, fills
from tinyconv.backends import load, use_backend
from tinyconv.backends.numba.convolution import epilogue, implicit_gemm
from tinyconv.backends.numba.convolution.case import PLAIN, SHUT, ConvCase, Epilogue
from tinyconv.backends.numba.convolution.chooser import ALGORITHMS, choose
from tinyconv.explain.algorithms import OPERATIONS
from tinyconv.geometry import Window, slide

textbook = load("numpy")
EXACT = [name for name in ALGORITHMS if not name.startswith("winograd")]
HALVES = ((2, 2), (2, 2), "valid")


class Problem(NamedTuple):
    """Larger than what the rules of all backends are tested with: several tiles and panels."""

    window: Window
    groups: int
    batch: int
    channels: int
    filters: int

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of x, kernel and dz."""
        kernel = (*self.window.size, self.channels // self.groups, self.filters)
        N = self.batch
        return (
            (N, *self.window.input, self.channels), kernel, (N, *self.window.output, self.filters)
        )  # fmt: skip

    def case(self, dtype: str, operation: str) -> ConvCase:
        return ConvCase(
            self.batch, self.window, self.channels, self.filters, self.groups, np.dtype(dtype),
            operation,
        )  # fmt: skip


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Each algorithm finds enough it can do: one pixel and few channels are common."""

    def pair(*values: int) -> tuple[int, int]:
        return draw(st.sampled_from(values)), draw(st.sampled_from(values))

    size = draw(st.sampled_from([(1, 1), (3, 3), (2, 3), (5, 5), (7, 7)]))
    strides, dilation = pair(1, 1, 2, 3), pair(1, 1, 2)
    image = draw(st.integers(13, 31)), draw(st.integers(13, 31))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    return Problem(
        slide(image, size, strides, draw(st.sampled_from(["same", "valid"])), dilation),
        groups,
        batch=draw(st.integers(1, 3)),
        channels=groups * draw(st.sampled_from([1, 2, 3, 4, 9, 17])),
        filters=groups * draw(st.sampled_from([1, 5, 16, 33, 70])),
    )


def inputs(problem: Problem, fill: Fill, dtype: str) -> list[np.ndarray]:
    """x, kernel, dz and bias; contiguous, as the contract of the algorithms has it."""
    arrays = [fill(shape, dtype) for shape in (*problem.shapes, (problem.filters,))]
    return [np.ascontiguousarray(each) for each in arrays]


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

    def empty(shape, dtype):
        shapes.append(shape)
        return np.empty(shape, dtype)

    monkeypatch.setattr(implicit_gemm, "thread_count", lambda: 5)
    monkeypatch.setattr(implicit_gemm, "empty", empty)
    for threads in (5, 2, 1):
        result = implicit_gemm.kernel_gradient(x, dz, window, 1)
        assert_close(result, expected, "float32", scale=10)
        (sums,) = (shape for shape in shapes if len(shape) == 6)
        assert sums[0] == threads
        shapes.clear()
        limit = 4 * math.prod(sums[1:]) * (2 if threads == 5 else 0)  # for two, then for none
        monkeypatch.setattr(implicit_gemm, "SUM_BYTES", limit)


# ---- other CPUs ---------------------------------------------------------------------

ELSEWHERE = """
from tinyconv.backends.base import Activation
from tests.backends.test_algorithms import *
from tinyconv.backends.numba import microkernel
print(microkernel.VECTOR.name)
for window in (slide((9, 22), (3, 3), (1, 1), "same"), slide((9, 22), (5, 3), (2, 3), "same")):
    for channels in (1, 3, 19):
        problem = Problem(window, 1, 2, channels, 37)
        x, kernel, dz, bias = inputs(problem, Fill(0), "float32")
        pair = Activation("relu"), slide(window.output, *HALVES), True
        y, expected = (b.conv_block(x, kernel, bias, window, 1, *pair)[0]
            for b in (load("numba", "implicit_gemm"), textbook))
        assert_close(y, expected, "float32", scale=10)
        dx = implicit_gemm.input_gradient(dz, kernel, window, 1)
        assert_close(dx, textbook.conv2d_input_gradient(dz, kernel, window, 1), "float32", scale=10)
        dkernel = implicit_gemm.kernel_gradient(x, dz, window, 1)
        expected = textbook.conv2d_kernel_gradient(x, dz, window, 1)
        assert_close(dkernel, expected, "float32", scale=10)
"""


@pytest.mark.parametrize(
    ("variable", "value", "vector"),
    [("NUMBA_CPU_NAME", "haswell", "avx2"), ("TINYCONV_VECTOR", "portable", "portable")],
)
def test_other_vectors(variable: str, value: str, vector: str, tmp_path):
    environment = {**os.environ, variable: value, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [vector]


# ---- the choice -----------------------------------------------------------------------


def chosen(shape: tuple, size: int, filters: int, stride: int = 1, **changes) -> str:
    N, H, W, C = shape
    window = slide((H, W), (size, size), (stride, stride), "same")
    case = ConvCase(N, window, C, filters, 1, np.dtype("float32"), "forward")
    return choose(case._replace(**changes)).name


def test_what_suits():
    assert chosen((32, 28, 28, 1), 3, 32) == "direct"
    assert chosen((8, 224, 224, 3), 7, 64, 2) == "direct"
    assert chosen((8, 56, 56, 64), 1, 256) == "pointwise"
    assert chosen((8, 56, 56, 256), 1, 512, 2) == "pointwise"
    assert chosen((32, 14, 14, 32), 3, 64) == "winograd_4x4"
    assert chosen((32, 14, 14, 32), 3, 64, dtype=np.dtype("float64")) == "implicit_gemm"
    assert chosen((32, 14, 14, 32), 3, 64, 2) == "implicit_gemm"
    assert chosen((32, 14, 14, 32), 5, 64) == "implicit_gemm"
    assert chosen((32, 14, 14, 32), 3, 64, groups=2) == "implicit_gemm"
    assert chosen((1, 4, 4, 64), 3, 64) == "implicit_gemm"


@settings(max_examples=100)
@given(problem=problems(), asked=st.sampled_from([None, *ALGORITHMS]))
def test_what_is_chosen_can_do_it_and_says_why(problem: Problem, asked: str | None):
    for operation in OPERATIONS:
        case = problem.case("float32", operation)
        choice = choose(case, asked)
        assert choice.algorithm is ALGORITHMS[choice.name]
        assert choice.algorithm.reason_against(case) is None
        assert choice.reason
        if asked is not None and ALGORITHMS[asked].reason_against(case) is None:
            assert choice[::2] == (asked, "asked for")
        elif asked is not None:
            assert choice.reason.startswith(f"{asked} cannot: ")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_asked_for(name: str, monkeypatch: pytest.MonkeyPatch):
    """use_backend(conv=) holds for what the algorithm can do, here all."""
    size = 1 if name == "pointwise" else 3
    window, fill = slide((12, 12), (size, size), (1, 1), "same"), Fill(0)
    x, kernel = fill((2, 12, 12, 3), "float64"), fill((size, size, 3, 8), "float64")
    calls = []
    monkeypatch.setattr(
        tinyconv.backends.numba.convolution, "choose",
        lambda case, asked: calls.append(choose(case, asked)) or calls[-1],
    )  # fmt: skip
    with use_backend("numba", conv=name) as backend:
        assert backend.name == "numba"
        z = backend.conv2d(x, kernel, window, 1)
    assert [each.name for each in calls] == [name]
    assert_close(z, textbook.conv2d(x, kernel, window, 1), "float64", scale=100)


def test_what_cannot_be_asked_for():
    with pytest.raises(ValueError, match=r"conv must be one of \['im2col', .*Received: conv='fft'"):
        use_backend("numba", conv="fft")
    with pytest.raises(ValueError, match=r"only the backends .* have several"):
        use_backend("numpy", conv="im2col")
    assert load("numba", "im2col") is load("numba", "im2col") is not load("numba")
