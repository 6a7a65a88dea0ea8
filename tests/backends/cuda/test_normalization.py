"""Batch normalisation: shares, tiles, and data that would lose digits.

That it computes the right thing on ordinary arguments is checked by the tests of all backends.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.comparison import assert_close
from tests.strategies import Fill, fills
from tinyconv.backends.base import Activation
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.numpy import NumpyBackend

textbook = NumpyBackend()
EPSILON = 0.01
RELU, TANH = Activation("relu"), Activation("tanh")
CHANNELS = st.sampled_from([1, 2, 3, 4, 7, 8, 31, 36, 130, 132, 260])


@given(rows=st.integers(1, 700), channels=CHANNELS, fill=fills(("normal", "sparse")))
def test_tiles_and_shares(host: CudaBackend, dtype: str, rows: int, channels: int, fill: Fill):
    """One tile or several, one share or several, packs of channels or single ones."""
    x, dy = fill((rows, channels), dtype), fill((rows, channels), dtype)
    gamma, beta, mean, root = (fill((channels,), dtype) for _ in range(4))
    variance = np.asarray(root * root + 0.1, dtype)
    y, *statistics = host.batch_norm(x, gamma, beta, EPSILON)
    expected, *wanted = textbook.batch_norm(x, gamma, beta, EPSILON)
    for result, value in zip((y, *statistics), (expected, *wanted), strict=True):
        assert_close(result, value, dtype, scale=10)
    for operation, given_statistics in (
        ("batch_norm_backward", wanted),
        ("normalize_backward", (mean, variance)),
    ):
        arguments = dy, x, gamma, *given_statistics, EPSILON
        results = getattr(host, operation)(*arguments)
        expected = getattr(textbook, operation)(*arguments)
        for result, value in zip(results, expected, strict=True):
            assert_close(result, value, dtype, scale=100)


def several_shares(host: CudaBackend, rows: int, channels: int, dtype: str) -> bool:
    return host._grid(np.empty((rows, channels), dtype)).shares > 1


@pytest.mark.parametrize("channels", [1, 3, 8])
@pytest.mark.parametrize("kind", ["far", "few", "outliers", "steps"])
def test_statistics_that_would_cancel(host: CudaBackend, dtype: str, channels: int, kind: str):
    """E[x^2] - E[x]^2 would lose all digits of the first; what the rows in the center are
    makes the others hard for whoever shifts the data by some of its values."""
    rows, fill = 5 if kind == "few" else 5000, Fill(4)
    x = fill((rows, channels), "float64")
    if kind in ("far", "few"):
        x += 1e4
    elif kind == "outliers":
        x[:: rows // 40] += 1e5  # the first rows of many shares among them
    else:
        x += np.repeat(np.arange(10), rows // 10)[:, None] * 1e3
    x = x.astype(dtype)
    assert several_shares(host, rows, channels, dtype) == (kind != "few")
    mean = np.array([math.fsum(column) / rows for column in x.T])
    variance = np.array([math.fsum(column) / rows for column in np.square(x - mean).T])
    gamma, beta = np.ones(channels, dtype), np.zeros(channels, dtype)
    _, found_mean, found_variance = host.batch_norm(x, gamma, beta, EPSILON)
    precision = np.finfo(dtype).eps
    assert np.all(np.abs(found_mean - mean) <= precision * np.abs(x).max())
    assert np.all(np.abs(found_variance - variance) <= 200 * precision * variance)


@pytest.mark.parametrize("rows", [1, 3, 5, 7, 11, 13, 3001])
def test_constants_are_without_variance(host: CudaBackend, dtype: str, rows: int):
    """Whatever is rounded on the way, it is not negative."""
    constants = Fill(7)((64,), dtype)
    x = np.broadcast_to(constants, (rows, 64))
    _, mean, variance = host.batch_norm(x, constants, constants, EPSILON)
    np.testing.assert_allclose(mean, constants, rtol=1e-6)
    assert np.all(variance >= 0)
    assert np.all(variance <= 1e-12)


@pytest.mark.parametrize("given_statistics", [False, True])
def test_a_bad_gradient_is_seen_behind_a_shut_relu(
    host: CudaBackend, dtype: str, given_statistics: bool
):
    fill, ones = Fill(8), np.ones(4, dtype)
    x, dy = fill((50, 4), dtype), fill((50, 4), dtype)
    statistics = (0 * ones, ones) if given_statistics else None
    y, *_, saved = host.batch_norm_block(x, ones, 0 * ones, statistics, EPSILON, RELU, True)
    shut = np.argmin(y[:, 2])
    assert y[shut, 2] == 0
    dy[shut, 2] = np.nan
    dx, dgamma, dbeta = host.batch_norm_block_backward(dy, saved, x, ones, True)
    bad = np.array([False, False, True, False])
    np.testing.assert_array_equal(np.isnan(dbeta), bad)
    np.testing.assert_array_equal(np.isnan(dgamma), bad)
    assert np.isnan(dx[shut, 2])


@pytest.mark.parametrize("given_statistics", [False, True])
@pytest.mark.parametrize("channels", [3, 8])
def test_relu_is_shut_backward_where_it_was_forward(
    host: CudaBackend, dtype: str, given_statistics: bool, channels: int
):
    """z is computed anew; around 0 its sign depends on the last bit."""
    fill = Fill(5)
    x = np.round(fill((4, 9, 9, channels), dtype), 1)
    gamma = np.full(channels, 0.3, dtype)
    beta = -np.float32(0.1) * np.arange(channels).astype(dtype)  # z = 0 for many
    statistics = (np.full(channels, 0.1, dtype), np.full(channels, 1.7, dtype))
    used = statistics if given_statistics else None
    y, mean, variance, saved = host.batch_norm_block(x, gamma, beta, used, EPSILON, RELU, True)
    dy = fill(x.shape, dtype)
    gated = dy * (y > 0)
    backward = host.normalize_backward if given_statistics else host.batch_norm_backward
    expected = backward(gated, x, gamma, mean, variance, EPSILON)
    results = host.batch_norm_block_backward(dy, saved, x, gamma, True)
    for result, value in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, value)
    dx, *others = host.batch_norm_block_backward(dy, saved, x, gamma, False)
    np.testing.assert_array_equal(dx, expected[0])
    assert others == [None, None]


@pytest.mark.parametrize("given_statistics", [False, True])
def test_other_activations_follow_apart(host: CudaBackend, dtype: str, given_statistics: bool):
    fill = Fill(6)
    x, dy, gamma, beta = (
        fill((7, 5), dtype),
        fill((7, 5), dtype),
        fill((5,), dtype),
        fill((5,), dtype),
    )
    statistics = (np.zeros(5, dtype), np.ones(5, dtype)) if given_statistics else None
    there = x, gamma, beta, statistics, EPSILON, TANH, True
    *results, saved = host.batch_norm_block(*there)
    *expected, kept = textbook.batch_norm_block(*there)
    for need_parameters in (True, False):
        results += host.batch_norm_block_backward(dy, saved, x, gamma, need_parameters)
        expected += textbook.batch_norm_block_backward(dy, kept, x, gamma, need_parameters)
    assert [result is None for result in results] == [value is None for value in expected]
    for result, value in zip(results, expected, strict=True):
        if value is not None:
            assert_close(result, value, dtype, scale=20)


def test_arrays_that_do_not_fit(host: CudaBackend, dtype: str):
    """Kernels check nothing: they would read beyond the array, or take doubles for floats."""
    x, channels = np.ones((6, 4), dtype), np.ones(4, dtype)
    with pytest.raises(ValueError, match=r"beta of shape \(4,\).*Received: .*\(3,\)"):
        host.batch_norm(x, channels, channels[1:], EPSILON)
    with pytest.raises(ValueError, match=r"gamma of dtype float.*Received: .*float16"):
        host.batch_norm(x, channels.astype("float16"), channels, EPSILON)
    with pytest.raises(ValueError, match=r"dy of shape \(6, 4\).*Received: .*\(5, 4\)"):
        host.normalize_backward(x[1:], x, channels, channels, channels, EPSILON)
    with pytest.raises(ValueError, match=r"variance of shape \(4,\)"):
        host.batch_norm_backward(x, x, channels, channels, channels[1:], EPSILON)
