"""Every algorithm of the CUDA backend's convolution, on the host, against the textbook.

The chooser would give small problems one algorithm only; here each does all that it can.
Shown is that the kernels compute the right numbers; that they are fast, only a GPU can show.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.test_algorithms import HALVES, Problem, inputs, problems
from tests.backends.test_winograd import problems as winograd_problems
from tests.backends.test_winograd_epilogue import textbook_epilogue
from tests.comparison import assert_close
from tests.strategies import Fill, fills
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.cuda.convolution import epilogue, im2col, implicit_gemm, winograd
from tinyconv.backends.cuda.convolution.case import PLAIN, SHUT, ConvCase, Epilogue
from tinyconv.backends.cuda.convolution.chooser import ALGORITHMS, choose
from tinyconv.backends.cuda.convolution.winograd import F2, F4
from tinyconv.backends.cuda.device import Device
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.explain.algorithms import OPERATIONS
from tinyconv.geometry import Window, slide

textbook = NumpyBackend()
EXACT = pytest.mark.parametrize("name", ["im2col", "implicit_gemm", "pointwise"])
WINOGRAD = pytest.mark.parametrize("algorithm", [F2, F4], ids=["F2", "F4"])
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


# ---- Winograd -----------------------------------------------------------------------


def error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the largest value, or to 1."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / max(1.0, np.abs(expected).max()))


@WINOGRAD
@settings(max_examples=15)
@given(problem=winograd_problems(), fill=fills(("normal", "sparse")), dtype=DTYPES)
def test_winograd(device: Device, algorithm: Any, problem, fill: Fill, dtype: str):
    N, window, C, F = problem
    x, kernel, dz, _ = inputs(Problem(window, 1, N, C, F), fill, dtype)
    exact = [array.astype("float64") for array in (x, kernel, dz)]
    bound = winograd.ERROR[algorithm.m] if dtype == "float32" else 1e-13
    z, _ = algorithm.forward(device, x, kernel, window, 1, PLAIN)
    assert error(z, textbook.conv2d(exact[0], exact[1], window, 1)) <= bound
    dx = algorithm.input_gradient(device, dz, kernel, window, 1)
    assert error(dx, textbook.conv2d_input_gradient(exact[2], exact[1], window, 1)) <= bound
    dkernel = algorithm.kernel_gradient(device, x, dz, window, 1)
    assert error(dkernel, textbook.conv2d_kernel_gradient(exact[0], exact[2], window, 1)) <= bound
    assert z.dtype == dx.dtype == dkernel.dtype == dtype


@settings(max_examples=20)
@given(
    problem=winograd_problems(), seed=st.integers(0, 2**16), with_bias=st.booleans(),
    relu=st.booleans(), how=st.sampled_from(["", "pool", "codes"]), dtype=DTYPES,
)  # fmt: skip
def test_winograd_with_many_ties(device: Device, problem, seed, with_bias, relu, how, dtype):
    """F(2x2) of small integers is exact, so that maxima tie where they should."""
    N, window, C, F = problem
    fill = Fill(seed, values="ties")
    x, kernel, bias = (fill(s, dtype) for s in ((N, *window.input, C), (3, 3, C, F), (F,)))
    what = Epilogue(bias if with_bias else None, relu, how != "", how == "codes")
    y, codes = F2.forward(device, x, kernel, window, 1, what)
    expected, places = textbook_epilogue(x, kernel, window, what)
    np.testing.assert_array_equal(y, expected)
    if how == "codes":
        np.testing.assert_array_equal(codes, places)
    else:
        assert codes is None


@WINOGRAD
def test_winograd_in_pieces(device: Device, algorithm: Any, monkeypatch: pytest.MonkeyPatch):
    """Tiles that do not fit the cache are done some at a time, with the same result."""
    problem = Problem(slide((14, 13), (3, 3), (1, 1), "same"), 1, 3, 9, 6)
    monkeypatch.setattr(winograd, "LEAST_TILES", 5)
    monkeypatch.setattr(winograd, "GRADIENT_BYTES", 20000)
    properties = device.properties._replace(l2_bytes=1)
    monkeypatch.setattr(device, "properties", properties)
    compare(algorithm, device, problem, Fill(0), "float64", 1e-12)


@WINOGRAD
def test_winograd_after_large_pools(device: Device, algorithm: Any, dtype: str):
    """What F(4x4) pools is the four pixels' maximum, up to rounding."""
    window, fill = slide((11, 9), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel, bias = (fill(s, dtype) for s in ((2, 11, 9, 7), (3, 3, 7, 33), (33,)))
    what = Epilogue(bias, True, True, True)
    y, codes = algorithm.forward(device, x, kernel, window, 1, what)
    expected, _ = textbook_epilogue(x.astype("f8"), kernel.astype("f8"), window, what)
    assert np.abs(y - expected).max() <= (1e-4 if dtype == "float32" else 1e-12)
    np.testing.assert_array_equal(codes == SHUT, y <= 0)


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


# ---- the choice -----------------------------------------------------------------------


def chosen(shape: tuple, size: int, filters: int, stride: int = 1, **changes: Any) -> str:
    N, H, W, C = shape
    window = slide((H, W), (size, size), (stride, stride), "same")
    case = ConvCase(N, window, C, filters, 1, np.dtype("float32"), "forward")
    return choose(case._replace(**changes)).name


def test_what_suits():
    assert chosen((32, 28, 28, 1), 3, 32) == "implicit_gemm"
    assert chosen((8, 56, 56, 64), 1, 256) == "pointwise"
    assert chosen((8, 56, 56, 256), 1, 512, 2) == "pointwise"
    assert chosen((32, 56, 56, 128), 3, 128) == "winograd_4x4"
    assert chosen((32, 56, 56, 128), 3, 128, operation="dx") == "winograd_4x4"
    assert chosen((512, 2, 2, 512), 3, 512) == "winograd_2x2"
    assert chosen((32, 56, 56, 128), 3, 128, dtype=np.dtype("float64")) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 3, 128, 2) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 5, 128) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 3, 128, groups=2) == "implicit_gemm"
    assert chosen((1, 14, 14, 128), 3, 128) == "implicit_gemm"
    assert chosen((32, 56, 56, 32), 3, 32) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 3, 128, tf32=True) == "im2col"
    assert chosen((32, 56, 56, 3), 3, 64, tf32=True) == "implicit_gemm"
    assert chosen((32, 56, 56, 128), 3, 128, tf32=True, dtype=np.dtype("f8")) == "implicit_gemm"


@settings(max_examples=100)
@given(problem=problems(), asked=st.sampled_from([None, *ALGORITHMS]), tf32=st.booleans())
def test_what_is_chosen_can_do_it_and_says_why(problem: Problem, asked: str | None, tf32: bool):
    for operation in OPERATIONS:
        case = case_of(problem, "float32", operation, tf32=tf32)
        choice = choose(case, asked)
        assert choice.algorithm is ALGORITHMS[choice.name]
        assert choice.algorithm.reason_against(case) is None
        assert choice.reason
        if asked is not None and ALGORITHMS[asked].reason_against(case) is None:
            assert choice[::2] == (asked, "asked for")
        elif asked is not None:
            assert choice.reason.startswith(f"{asked} cannot: ")


@pytest.fixture(params=ALGORITHMS)
def asking(request: pytest.FixtureRequest, host: CudaBackend) -> CudaBackend:
    """A backend whose convolutions are all done by one algorithm."""
    return CudaBackend(host.device, conv=request.param)


def test_asked_for(asking: CudaBackend, monkeypatch: pytest.MonkeyPatch):
    size = 1 if asking._conv == "pointwise" else 3
    window: Window = slide((12, 12), (size, size), (1, 1), "same")
    fill = Fill(0)
    x, kernel = fill((2, 12, 12, 3), "float64"), fill((size, size, 3, 8), "float64")
    calls = []
    monkeypatch.setattr(
        "tinyconv.backends.cuda.convolution.choose",
        lambda case, asked: calls.append(choose(case, asked)) or calls[-1],
    )
    z = asking.conv2d(x, kernel, window, 1)
    assert [each.name for each in calls] == [asking._conv]
    assert_close(z, textbook.conv2d(x, kernel, window, 1), "float64", scale=100)


def test_what_cannot_be_asked_for(host: CudaBackend):
    with pytest.raises(ValueError, match=r"conv must be one of \['im2col', .*Received: conv='fft'"):
        CudaBackend(host.device, conv="fft")
