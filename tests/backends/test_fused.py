"""Blocks against the naive loops of what they are made of, one after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.backends.calling import ACTIVATIONS, call, name_of
from tests.backends.test_normalization import EPSILON, parameters
from tests.comparison import assert_close
from tests.strategies import Convolution, Fill, batches, convolutions, fills
from tinyconv.backends.base import Activation, Backend
from tinyconv.geometry import Window, slide

LINEAR, RELU = Activation("linear"), Activation("relu")
# The smooth ones and the two that are fused; what rounds differently may bend elsewhere.
FUNCTIONS = st.sampled_from([LINEAR, RELU, RELU, Activation("tanh"), Activation("gelu")])
NEEDS = st.sampled_from([(True, True), (False, True), (True, False)])  # of dx, of the parameters


@st.composite
def pools(draw: st.DrawFn, window: Window) -> Window | None:
    """2x2 as it is fused, another pool, or none."""
    kind = draw(st.sampled_from(["none", "2x2", "2x2", "other"]))
    fits = min(window.output) >= 2
    if kind == "none" or (kind == "2x2" and not fits):
        return None
    if kind == "2x2":
        return slide(window.output, (2, 2), (2, 2), "valid")
    return slide(window.output, (3, 2), (2, 1), "same")


def drawn(problem: Convolution, fill: Fill, dtype: str, *names: str) -> list[np.ndarray]:
    """Small multiples of 1/4: sums are exact, so that ties and zeros are the same everywhere.

    But not for the size that Winograd's algorithm computes, whose sums are not exact.
    """
    arrays = [fill(problem.shapes[name], dtype) for name in names]
    if problem.window.size == (3, 3):
        return arrays
    return [(np.round(each * 2) / 4).astype(dtype) for each in arrays]


@given(data=st.data(), problem=convolutions(), fill=fills(), function=FUNCTIONS, bias=st.booleans())
def test_conv_block(
    backend: Backend, dtype: str, data, problem: Convolution, fill: Fill,
    function: Activation, bias: bool,
):  # fmt: skip
    x, kernel = drawn(problem, fill, dtype, "x", "kernel")
    shift = np.round(fill((problem.filters,), dtype)) if bias else None
    window, groups = problem.window, problem.groups
    # Where tanh and gelu are flat, rounding decides which of the pooled is the greatest.
    pool = data.draw(pools(window)) if function in (LINEAR, RELU) else None
    there = x, kernel, shift, window, groups, function, pool
    z = reference.conv2d(x, kernel, window, groups) + (0 if shift is None else np.float64(shift))
    a = reference.activate(z, function)
    expected, argmax = (a, None) if pool is None else reference.max_pool(a, pool)
    for keep in (True, False):
        (y,) = call(backend, "conv_block", *there, keep)
        assert_close(y, expected, dtype, scale=10)

    dy = fill(expected.shape, dtype)
    da = np.float64(dy) if pool is None else reference.max_pool_backward(dy, argmax, pool)
    dz = reference.activate_backward(da, z, function)
    need_dx, need_parameters = data.draw(NEEDS)
    results = call(backend, "conv_block_backward", dy, *there, need_dx, need_parameters)
    dx, dkernel, dbias = check_needs(results, need_dx, need_parameters, bias)
    if dkernel is not None:
        wanted = reference.conv2d_kernel_gradient(x, dz, window, groups)
        assert_close(dkernel, wanted, dtype, scale=10)
    if dbias is not None:
        assert_close(dbias, dz.sum(axis=(0, 1, 2)), dtype, scale=10)
    if dx is not None:
        wanted = reference.conv2d_input_gradient(dz, kernel, window, groups)
        assert_close(dx, wanted, dtype, scale=10)


def check_needs(results: tuple, need_dx: bool, need_parameters: bool, bias: bool) -> tuple:
    """(dx, dkernel, dbias), after looking that those are there that were asked for."""
    there = need_dx, need_parameters, need_parameters and bias
    assert tuple(result is not None for result in results) == there
    return results


@pytest.mark.parametrize("function", [LINEAR, RELU])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_goes_as_through_the_layers_apart(
    backend: Backend, dtype: str, function: Activation, value: float
):
    """Also through ReLU and pooling, there and back."""
    fill = Fill(3)
    window, pool = slide((8, 8), (3, 3), (1, 1), "same"), slide((8, 8), (2, 2), (2, 2), "valid")
    x, kernel, bias = fill((2, 8, 8, 3), dtype), fill((3, 3, 3, 5), dtype), fill((5,), dtype)
    dy = fill((2, 4, 4, 5), dtype)
    for place in ("x", "bias", "dy"):
        arrays = {"x": x.copy(), "bias": bias.copy(), "dy": dy.copy()}
        arrays[place].reshape(-1)[7 % arrays[place].size] = value
        there = arrays["x"], kernel, arrays["bias"], window, 1, function, pool
        with np.errstate(invalid="ignore"):
            z = call(backend, "conv2d", arrays["x"], kernel, window, 1)
            a, _ = call(backend, "activate", z, arrays["bias"], function)
            expected, argmax = call(backend, "max_pool", a, pool)
            (y,) = call(backend, "conv_block", *there, True)
            da = call(backend, "max_pool_backward", arrays["dy"], argmax, pool)
            dz, dbias = call(backend, "activate_backward", da, a, function, True)
            dkernel = call(backend, "conv2d_kernel_gradient", arrays["x"], dz, window, 1)
            dx = call(backend, "conv2d_input_gradient", dz, kernel, window, 1)
            results = call(backend, "conv_block_backward", arrays["dy"], *there, True, True)
        assert_close(y, expected, dtype, scale=10)
        for result, wanted in zip(results, (dx, dkernel, dbias), strict=True):
            np.testing.assert_array_equal(np.isfinite(result), np.isfinite(wanted))
        if np.isnan(value):
            assert np.isnan(y if place != "dy" else results[1]).any()


@given(
    rows=st.integers(1, 9), channels=st.integers(1, 9), units=st.integers(1, 9), fill=fills(),
    function=FUNCTIONS, bias=st.booleans(), needs=NEEDS,
)  # fmt: skip
def test_dense_block(
    backend: Backend, dtype: str, rows: int, channels: int, units: int, fill: Fill,
    function: Activation, bias: bool, needs: tuple[bool, bool],
):  # fmt: skip
    x, kernel, dy = (fill(s, dtype) for s in ((rows, channels), (channels, units), (rows, units)))
    x, kernel = (np.round(each * 2).astype(dtype) / 4 for each in (x, kernel))
    shift = np.round(fill((units,), dtype)) if bias else None
    z = np.float64(x) @ np.float64(kernel) + (0 if shift is None else np.float64(shift))
    expected = reference.activate(z, function)
    for keep in (True, False):
        (y,) = call(backend, "dense_block", x, kernel, shift, function, keep)
        assert_close(y, expected, dtype, scale=10)
    there = x, kernel, shift, function
    results = call(backend, "dense_block_backward", dy, *there, *needs)
    dx, dkernel, dbias = check_needs(results, *needs, bias)
    dz = reference.activate_backward(dy, z, function)
    if dkernel is not None:
        assert_close(dkernel, np.float64(x).T @ dz, dtype, scale=10)
    if dbias is not None:
        assert_close(dbias, dz.sum(axis=0), dtype, scale=10)
    if dx is not None:
        assert_close(dx, dz @ np.float64(kernel).T, dtype, scale=10)


@pytest.mark.parametrize("function", ACTIVATIONS)
@pytest.mark.parametrize("given", [False, True])
def test_batch_norm_block_is_the_two_apart(
    backend: Backend, dtype: str, function: Activation, given: bool
):
    fill = Fill(5)
    for shape in ((7, 5), (3, 11, 13, 6)):
        x, dy = fill(shape, dtype), fill(shape, dtype)
        gamma, beta, *statistics = parameters(fill, shape[-1], dtype)
        z, *batch = call(backend, "batch_norm", x, gamma, beta, EPSILON)
        if given:
            z = call(backend, "normalize", x, gamma, beta, *statistics, EPSILON)
        used = statistics if given else batch
        expected, saved = call(backend, "activate", z, None, function)
        there = x, gamma, beta, tuple(statistics) if given else None, EPSILON, function
        for keep in (True, False):
            y, mean, variance = call(backend, "batch_norm_block", *there, keep)
            assert_close(y, expected, dtype)
            np.testing.assert_array_equal((mean, variance), used)
        dz, _ = call(backend, "activate_backward", dy, saved, function, False)
        way = "normalize_backward" if given else "batch_norm_backward"
        wanted = call(backend, way, dz, x, gamma, *used, EPSILON)
        results = call(backend, "batch_norm_block_backward", dy, *there, True)
        for result, value in zip(results, wanted, strict=True):
            assert_close(result, value, dtype, scale=20)
        dx, *nothing = call(backend, "batch_norm_block_backward", dy, *there, False)
        assert_close(dx, results[0], dtype)
        assert nothing == [None, None]


@given(shape=batches(), fill=fills(("normal", "sparse")))
def test_batch_norm_block_with_relu(backend: Backend, dtype: str, shape, fill: Fill):
    x = fill(shape, dtype)
    gamma, beta, _, _ = parameters(fill, shape[-1], dtype)
    there = x, gamma, beta, None, EPSILON, RELU
    y, mean, variance = call(backend, "batch_norm_block", *there, True)
    z, *statistics = reference.batch_norm(x, gamma, beta, EPSILON)
    for result, value in zip((y, mean, variance), (np.maximum(z, 0), *statistics), strict=True):
        assert_close(result, value, dtype, scale=5)
    clear = np.abs(z) > 1e-3  # further from the bend than anybody rounds
    dy = np.where(clear, fill(shape, dtype), 0).astype(dtype)
    results = call(backend, "batch_norm_block_backward", dy, *there, True)
    expected = reference.batch_norm_backward(dy * (z > 0), x, gamma, EPSILON)
    for result, value in zip(results, expected, strict=True):
        assert_close(result, value, dtype, scale=20)


@given(problem=convolutions(), fill=fills(), function=FUNCTIONS, bias=st.booleans())
def test_conv_add(
    backend: Backend, dtype: str, problem: Convolution, fill: Fill, function: Activation, bias: bool
):
    x, kernel, other = drawn(problem, fill, dtype, "x", "kernel", "dz")
    shift = np.round(fill((problem.filters,), dtype)) if bias else None
    window, groups = problem.window, problem.groups
    y = call(backend, "conv_add", x, kernel, shift, other, window, groups, function)
    z = reference.conv2d(x, kernel, window, groups) + (0 if shift is None else np.float64(shift))
    assert_close(y, reference.activate(z + other, function), dtype, scale=10)


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("function", [LINEAR, RELU], ids=name_of)
@pytest.mark.parametrize(("C", "F"), [(64, 256), (512, 96), (1100, 45), (3, 5), (40, 1)], ids=str)
def test_conv_add_of_1x1_windows(
    backend: Backend, dtype: str, C: int, F: int, function: Activation, strides: int
):
    """Whole tiles and parts of them, one block of channels and several, a vector, tiny ones."""
    fill, window = Fill(5), slide((9, 11), (1, 1), (strides, strides), "valid")
    x, kernel, bias = fill((2, 9, 11, C), dtype), fill((1, 1, C, F), dtype), fill((F,), dtype)
    other = fill((2, *window.output, F), dtype)
    other[0, 0, 0, 0] = np.nan
    y = call(backend, "conv_add", x, kernel, bias, other, window, 1, function)
    z = x[:, ::strides, ::strides].astype("float64") @ kernel[0, 0] + bias + other
    assert_close(y, z if function == LINEAR else np.maximum(z, 0), dtype, scale=10)


@pytest.mark.parametrize("function", ACTIVATIONS, ids=name_of)
@pytest.mark.parametrize(
    "shapes", [((7, 5), (7, 5)), ((3, 40, 41, 3), (3, 40, 41, 3)), ((2, 3, 4), (1, 3, 1))], ids=str
)
def test_add_block(backend: Backend, dtype: str, function: Activation, shapes):
    fill = Fill(3)
    a, b = (fill(shape, dtype) for shape in shapes)
    z = a + b
    a.flat[0] = b.flat[0] = 0  # a sum in the bend of ReLU
    expected, saved = call(backend, "activate", a + b, None, function)
    for keep in (True, False):
        (y,) = call(backend, "add_block", a, b, function, keep)
        assert_close(y, expected, dtype)
    dy = fill(z.shape, dtype)
    wanted, _ = call(backend, "activate_backward", dy, saved, function, False)
    assert_close(call(backend, "add_block_backward", dy, a, b, function), wanted, dtype)


def test_add_block_of_transposed_arrays(backend: Backend, dtype: str):
    a, b = Fill(1)((50, 300), dtype), Fill(2)((300, 50), dtype).T
    (y,) = call(backend, "add_block", a, b, RELU, False)
    np.testing.assert_array_equal(y, np.maximum(a + b, 0))


def test_add_block_lets_nothing_vanish(backend: Backend, dtype: str):
    a, b = np.zeros((2, 99, 99), dtype), np.ones((2, 99, 99), dtype)
    a[0, 1, 2], a[0, 3, 4], b[1, 5, 6] = np.nan, np.inf, -np.inf
    (y,) = call(backend, "add_block", a, b, RELU, False)
    np.testing.assert_array_equal(y, np.maximum(a + b, 0))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_batch_norm_block_lets_nothing_vanish(backend: Backend, dtype: str, value: float):
    fill = Fill(6)
    x, dy = fill((2, 3, 3, 4), dtype), fill((2, 3, 3, 4), dtype)
    gamma, beta, _, _ = parameters(fill, 4, dtype)
    x[1, 2, 0, 2], dy[0, 1, 1, 1] = value, value
    there = x, gamma, beta, None, EPSILON, RELU
    with np.errstate(invalid="ignore"):
        y, *_ = call(backend, "batch_norm_block", *there, True)
        dx, dgamma, dbeta = call(backend, "batch_norm_block_backward", dy, *there, True)
    bad = np.array([False, False, True, False])
    np.testing.assert_array_equal(np.isnan(y), np.broadcast_to(bad, x.shape))
    bad[1] = True
    np.testing.assert_array_equal(~np.isfinite(dx).all(axis=(0, 1, 2)), bad)
    assert np.isfinite(dgamma[[0, 3]]).all()
    assert not np.isfinite(dbeta[1])
