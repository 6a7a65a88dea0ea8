"""Every algorithm of the CUDA backend's convolution, on the host, against the textbook.

The chooser would give small problems one algorithm only; here each does all that it can.
Winograd's has a file of its own, test_winograd.py. Shown is that the kernels compute the right
numbers; that they are fast, only a GPU can show.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.convolution_problems import HALVES, Problem, inputs, problems
from tests.backends.test_winograd_epilogue import textbook_epilogue
from tests.comparison import assert_close
from tests.strategies import Fill, fills
from tinyconv.backends.base import Activation
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.cuda.convolution import epilogue, im2col, implicit_gemm
from tinyconv.backends.cuda.convolution.case import PLAIN, SHUT, ConvCase, Epilogue
from tinyconv.backends.cuda.convolution.chooser import ALGORITHMS
from tinyconv.backends.cuda.device import Device
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import slide

textbook = NumpyBackend()
EXACT = pytest.mark.parametrize("name", ["im2col", "implicit_gemm", "pointwise"])
DTYPES = st.sampled_from(["float32", "float64"])


@pytest.fixture(scope="session")
def device(host: CudaBackend) -> Device:
    return host.device


def case_of(problem: Problem, dtype: str, operation: str = "forward", **changes: Any) -> ConvCase:
    return ConvCase(
        problem.batch, problem.window, problem.channels, problem.filters, problem.groups,
        np.dtype(dtype), operation, **changes,
    )  # fmt: skip


def compare(
    algorithm: Any, device: Device, problem: Problem, fill: Fill, dtype: str,
    tolerance: float | None = None,
) -> None:  # fmt: skip
    """The three operations."""
    window, groups = problem[:2]
    x, kernel, dz, _ = inputs(problem, fill, dtype)
    z, codes = algorithm.forward(device, x, kernel, window, groups, PLAIN)
    assert codes is None
    results = {
        "conv2d": (z, x, kernel),
        "conv2d_input_gradient": (
            algorithm.input_gradient(device, dz, kernel, window, groups), dz, kernel,
        ),
        "conv2d_kernel_gradient": (
            algorithm.kernel_gradient(device, x, dz, window, groups), x, dz,
        ),
    }  # fmt: skip
    for operation, (result, *arguments) in results.items():
        expected = getattr(textbook, operation)(*arguments, window, groups)
        assert_close(result, expected, dtype, scale=10, tolerance=tolerance)


@EXACT
@settings(max_examples=15)
@given(problem=problems(), fill=fills(), dtype=DTYPES)
def test_three_operations(device: Device, name: str, problem: Problem, fill: Fill, dtype: str):
    algorithm = ALGORITHMS[name]
    if algorithm.reason_against(case_of(problem, dtype)) is None:
        compare(algorithm, device, problem, fill, dtype)


@EXACT
@settings(max_examples=15)
@given(
    problem=problems(), fill=fills(values=("ties",)), relu=st.booleans(), pool=st.booleans(),
    bias=st.booleans(), dtype=DTYPES,
)  # fmt: skip
def test_epilogue(device: Device, name: str, problem: Problem, fill: Fill, relu, pool, bias, dtype):
    """Small integers: the sums are exact, so even ties are the textbook's."""
    algorithm, (window, groups) = ALGORITHMS[name], problem[:2]
    if algorithm.reason_against(case_of(problem, dtype)) is not None:
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
    result, codes = algorithm.forward(device, x, kernel, window, groups, what)
    np.testing.assert_array_equal(result, y)
    assert result.dtype == dtype
    if pool:
        np.testing.assert_array_equal(codes, places)
        without = what._replace(codes=False)
        result, none = algorithm.forward(device, x, kernel, window, groups, without)
        np.testing.assert_array_equal(result, y)
        assert none is None


# ---- im2col in bands ------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_bands_of_columns(device: Device, dtype: str, rows: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(im2col, "_band_rows", lambda device, row_bytes: rows)
    for groups in (1, 2):
        window = slide((7, 9), (3, 2), (2, 1), "same")
        compare(im2col, device, Problem(window, groups, 3, 4, 6), Fill(0), dtype)


# ---- implicit GEMM: every tile ----------------------------------------------------------

TILES = [(128, 128), (128, 64), (128, 32), (64, 64), (32, 32)]
# More than a tile each way, and remainders; channels and filters that fill vectors, or not.
TILED = [
    Problem(slide((13, 11), (3, 3), (1, 1), "same"), 1, 2, 8, 132),
    Problem(slide((13, 11), (3, 3), (2, 1), "same"), 1, 1, 5, 131),
    Problem(slide((12, 12), (1, 3), (1, 1), "valid", (1, 2)), 2, 2, 8, 136),
]


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("problem", TILED, ids=["vectors", "odd", "groups"])
def test_tiles(device: Device, dtype: str, tile, problem: Problem, monkeypatch):
    monkeypatch.setattr(implicit_gemm, "tile_for", lambda *arguments: tile)
    (window, groups), fill = problem[:2], Fill(0)
    x, kernel, dz, bias = inputs(problem, fill, dtype)
    what = Epilogue(bias, True, True, True)
    y, codes = implicit_gemm.forward(device, x, kernel, window, groups, what)
    z = textbook.conv2d(x, kernel, window, groups) + bias
    expected, places = textbook.max_pool(np.maximum(z, 0), slide(window.output, *HALVES))
    assert_close(y, expected, dtype, scale=10)
    np.testing.assert_array_equal(codes, np.where(y > 0, places, SHUT))
    dx = implicit_gemm.input_gradient(device, dz, kernel, window, groups)
    expected = textbook.conv2d_input_gradient(dz, kernel, window, groups)
    assert_close(dx, expected, dtype, scale=10)


@pytest.mark.parametrize("tile", [(128, 128), (64, 64), (32, 32)])
@pytest.mark.parametrize("problem", TILED, ids=["vectors", "odd", "groups"])
@pytest.mark.parametrize("splits", [1, 3])
def test_tiles_of_the_gradient(device: Device, dtype: str, tile, problem, splits, monkeypatch):
    monkeypatch.setattr(implicit_gemm, "gradient_tile", lambda *arguments: tile)
    monkeypatch.setattr(implicit_gemm, "_splits", lambda *arguments: splits)
    window, groups = problem[:2]
    x, _, dz, _ = inputs(problem, Fill(0), dtype)
    result = implicit_gemm.kernel_gradient(device, x, dz, window, groups)
    expected = textbook.conv2d_kernel_gradient(x, dz, window, groups)
    assert_close(result, expected, dtype, scale=10)
    result, dbias = implicit_gemm.parameter_gradients(device, x, dz, window, groups)
    assert_close(result, expected, dtype, scale=10)
    assert_close(dbias, dz.sum(axis=(0, 1, 2)), dtype, scale=100)


@pytest.mark.parametrize("rows", [1, 2, 3, 32, 77])
@pytest.mark.parametrize("size", [1, 33, 130])
def test_total(device: Device, dtype: str, rows: int, size: int):
    partial = Fill(0)((rows, size), dtype)
    assert_close(epilogue.total(device, partial), partial.sum(axis=0), dtype, scale=10)


def test_more_shares_than_pixels(device: Device, dtype: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(implicit_gemm, "_splits", lambda *arguments: 7)
    window = slide((2, 2), (1, 2), (1, 1), "valid")
    compare(implicit_gemm, device, Problem(window, 1, 1, 3, 2), Fill(0), dtype)


def test_arrays_that_start_at_no_multiple_of_16_bytes(device: Device, dtype: str):
    window, fill = slide((6, 5), (3, 3), (1, 1), "same"), Fill(0)
    shapes = (2, 6, 5, 8), (3, 3, 8, 4)
    x, kernel = (fill((np.prod(s) + 1,), dtype)[1:].reshape(s) for s in shapes)
    expected = textbook.conv2d(x, kernel, window, 1)
    for name in ("im2col", "implicit_gemm"):
        z, _ = ALGORITHMS[name].forward(device, x, kernel, window, 1, PLAIN)
        assert_close(z, expected, dtype, scale=10)


def test_small_results_get_small_tiles(device: Device, monkeypatch: pytest.MonkeyPatch):
    """There are blocks enough for 100 multiprocessors."""
    monkeypatch.setattr(device, "properties", device.properties._replace(multiprocessors=100))
    assert implicit_gemm.tile_for(device, 128 * 100, 128, 1) == (128, 128)
    assert implicit_gemm.tile_for(device, 128 * 50, 128, 2) == (128, 128)
    assert implicit_gemm.tile_for(device, 128 * 49, 256, 1) == (64, 64)
    assert implicit_gemm.tile_for(device, 64 * 24, 512, 1) == (32, 32)
    assert implicit_gemm.tile_for(device, 128 * 200, 64, 1) == (128, 64)
    assert implicit_gemm.tile_for(device, 128 * 199, 64, 1) == (64, 64)
    assert implicit_gemm.tile_for(device, 128 * 200, 32, 1) == (128, 32)
    assert implicit_gemm.tile_for(device, 128 * 199, 32, 1) == (32, 32)


# ---- NaN ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("relu", [False, True])
def test_what_is_not_finite(device: Device, dtype: str, name: str, value: float, relu: bool):
    """It passes bias, ReLU and pool; Winograd may spoil the rest of its tile."""
    size = 1 if name == "pointwise" else 3
    window, fill = slide((9, 8), (size, size), (1, 1), "same"), Fill(0)
    x, kernel, bias = (fill(s, dtype) for s in ((2, 9, 8, 3), (size, size, 3, 5), (5,)))
    x[1, 4, 5, 2] = value
    what = Epilogue(bias, relu, True, True)
    with np.errstate(invalid="ignore"):
        y, codes = ALGORITHMS[name].forward(device, x, kernel, window, 1, what)
        expected, places = textbook_epilogue(x, kernel, window, what)
    bad = np.isnan(expected)
    assert np.isnan(y[bad]).all()
    if relu:
        assert (codes[np.isnan(y)] == SHUT).all()
    if not name.startswith("winograd"):
        assert_close(y, expected, dtype, scale=10)
        if not np.isnan(value):
            np.testing.assert_array_equal(codes, places)


@pytest.mark.parametrize("channels", [3, 40])
def test_a_bad_gradient_is_seen_behind_a_shut_relu(device: Device, dtype: str, channels: int):
    dy = np.full((1, 1, 1, channels), np.nan, dtype)
    codes = np.full(dy.shape, SHUT, np.uint8)
    dz = epilogue.unpooled(device, dy, codes, (3, 3))
    assert np.isnan(dz).sum() == channels
    assert np.isnan(epilogue.bias_gradient(device, dy, codes)).all()
    assert (dz[:, 2] == 0).all()  # beyond the last window
    assert (dz[:, :, 2] == 0).all()


# ---- blocks ---------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    size=st.tuples(*[st.integers(2, 9)] * 2), batch=st.integers(1, 5),
    filters=st.integers(1, 70), seed=st.integers(0, 2**16), dtype=DTYPES,
)  # fmt: skip
def test_the_way_back_through_a_pool(device: Device, size, batch, filters, seed, dtype):
    fill = Fill(seed)
    window = slide(size, *HALVES)
    dy = fill((batch, *window.output, filters), dtype)
    places = fill.generator.integers(0, 5, dy.shape).astype(np.uint8)
    dz = epilogue.unpooled(device, dy, places, size)
    open_ = np.where(places == SHUT, 0, dy)
    expected = textbook.max_pool_backward(open_, np.minimum(places, 3), window)
    np.testing.assert_array_equal(dz, expected)
    dbias = epilogue.bias_gradient(device, dy, places)
    assert_close(dbias, expected.sum(axis=(0, 1, 2)), dtype, scale=100)


@pytest.mark.parametrize("conv", ALGORITHMS)
@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("needs", [(True, True), (True, False), (False, True)])
def test_a_block_by_each_algorithm(device: Device, conv: str, pool: bool, bias: bool, needs):
    """dbias comes with dkernel, or from a pass of its own, or nobody wants it."""
    backend, fill = CudaBackend(device, conv=conv), Fill(0)
    size = 1 if conv == "pointwise" else 3
    window = slide((7, 9), (size, size), (1, 1), "same")
    pooling = slide((7, 9), *HALVES) if pool else None
    x, kernel, shift = (fill(s, "float64") for s in ((3, 7, 9, 4), (size, size, 4, 5), (5,)))
    there = x, kernel, shift if bias else None, window, 1, Activation("relu"), pooling, True
    expected, kept = textbook.conv_block(*there)
    y, saved = backend.conv_block(*there)
    assert_close(y, expected, "float64", scale=10)
    dy = fill(y.shape, "float64")
    results = backend.conv_block_backward(dy, saved, x, kernel, *needs)
    wanted = textbook.conv_block_backward(dy, kept, x, kernel, *needs)
    for result, value in zip(results, wanted, strict=True):
        assert (result is None) == (value is None)
        if result is not None:
            assert_close(result, value, "float64", scale=100)


def test_no_images(host: CudaBackend, dtype: str):
    window = slide((9, 7), (3, 3), (1, 1), "same")
    x, kernel = np.ones((0, 9, 7, 5), dtype), np.ones((3, 3, 5, 6), dtype)
    z = host.conv2d(x, kernel, window, 1)
    assert z.shape == (0, 9, 7, 6)
    assert host.conv2d_input_gradient(z, kernel, window, 1).shape == x.shape
    assert not host.conv2d_kernel_gradient(x, z, window, 1).any()


def test_arrays_of_another_shape_are_refused(host: CudaBackend, dtype: str):
    window = slide((9, 7), (3, 3), (1, 1), "same")
    x, kernel = np.ones((1, 9, 7, 5), dtype), np.ones((3, 3, 5, 6), dtype)
    with pytest.raises(ValueError, match=r"expected x of shape .* Received: shape \(1, 9, 6, 5\)"):
        host.conv2d(x[:, :, :6], kernel, window, 1)
    with pytest.raises(ValueError, match="expected kernel of shape"):
        host.conv2d(x, kernel[:2], window, 1)
    with pytest.raises(ValueError, match="expected dz of shape"):
        host.conv2d_kernel_gradient(x, x[:, :8], window, 1)
