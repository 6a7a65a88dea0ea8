"""Batch normalisation against the naive loops, and where its arithmetic is delicate."""

import numpy as np
import pytest
from hypothesis import given

from tests import reference
from tests.backends.calling import call
from tests.comparison import assert_close
from tests.strategies import Fill, batches, fills
from tinyconv.backends.base import Backend

EPSILON = 0.1  # large, so that it matters where it stands


def parameters(fill: Fill, channels: int, dtype: str) -> tuple[np.ndarray, ...]:
    """gamma, beta, mean and a variance of at least 0.1."""
    gamma, beta, mean, root = (fill((channels,), dtype) for _ in range(4))
    return gamma, beta, mean, np.asarray(root * root + 0.1, dtype)


@given(shape=batches(), fill=fills(("normal", "sparse")))
def test_batch_norm(backend: Backend, dtype: str, shape, fill: Fill):
    x = fill(shape, dtype)
    gamma, beta, _, _ = parameters(fill, shape[-1], dtype)
    results = call(backend, "batch_norm", x, gamma, beta, EPSILON)
    expected = reference.batch_norm(x, gamma, beta, EPSILON)
    for result, value in zip(results, expected, strict=True):
        assert_close(result, value, dtype, scale=5)


@given(shape=batches(), fill=fills(("normal", "sparse")))
def test_batch_norm_backward(backend: Backend, dtype: str, shape, fill: Fill):
    dy, x = fill(shape, dtype), fill(shape, dtype)
    gamma, beta, _, _ = parameters(fill, shape[-1], dtype)
    _, mean, variance = reference.batch_norm(x, gamma, beta, EPSILON)
    statistics = mean.astype(dtype), variance.astype(dtype)
    results = call(backend, "batch_norm_backward", dy, x, gamma, *statistics, EPSILON)
    expected = reference.batch_norm_backward(dy, x, gamma, EPSILON)
    for result, value in zip(results, expected, strict=True):
        assert_close(result, value, dtype, scale=20)


@given(shape=batches(), fill=fills(("normal", "sparse")))
def test_normalize(backend: Backend, dtype: str, shape, fill: Fill):
    arguments = fill(shape, dtype), *parameters(fill, shape[-1], dtype), EPSILON
    y = call(backend, "normalize", *arguments)
    assert_close(y, reference.normalize(*arguments), dtype, scale=5)


@given(shape=batches(), fill=fills(("normal", "sparse")))
def test_normalize_backward(backend: Backend, dtype: str, shape, fill: Fill):
    dy, x = fill(shape, dtype), fill(shape, dtype)
    gamma, _, mean, variance = parameters(fill, shape[-1], dtype)
    arguments = dy, x, gamma, mean, variance, EPSILON
    results = call(backend, "normalize_backward", *arguments)
    for result, value in zip(results, reference.normalize_backward(*arguments), strict=True):
        assert_close(result, value, dtype, scale=20)


@pytest.mark.parametrize("value", [0.0, 3.0, -1e4])
def test_a_constant_channel(backend: Backend, dtype: str, value: float):
    """No variance: the output is beta, and epsilon keeps the gradient finite."""
    x, fill = np.full((2, 4, 4, 3), value, dtype), Fill(0)
    gamma, beta, dy = fill((3,), dtype), fill((3,), dtype), fill(x.shape, dtype)
    y, mean, variance = call(backend, "batch_norm", x, gamma, beta, 1e-3)
    np.testing.assert_array_equal(mean, np.full(3, value))
    np.testing.assert_array_equal(variance, np.zeros(3))
    np.testing.assert_array_equal(y, np.broadcast_to(beta, x.shape))
    results = call(backend, "batch_norm_backward", dy, x, gamma, mean, variance, 1e-3)
    expected = reference.batch_norm_backward(dy, x, gamma, 1e-3)
    for result, value in zip(results, expected, strict=True):
        assert_close(result, value, dtype, scale=30)


@pytest.mark.parametrize("images", [1, 32])
def test_a_mean_much_larger_than_the_deviation(backend: Backend, dtype: str, images: int):
    """mean 1e4, deviation 1: E[x^2] - E[x]^2 would lose every digit in float32.

    The mean itself is rounded to 1e4 * 2^-24 = 6e-4, which shifts y by as much; a few
    such roundings are granted, but not as many as there are pixels.
    """
    fill = Fill(0)
    x = (fill((images, 12, 12, 3), "float64") + 1e4).astype(dtype)
    dy, gamma, beta = fill(x.shape, dtype), np.ones(3, dtype), np.zeros(3, dtype)
    y, mean, variance = call(backend, "batch_norm", x, gamma, beta, 1e-3)
    expected = reference.batch_norm(x, gamma, beta, 1e-3)
    tolerance = 2e-3 if dtype == "float32" else 1e-10
    assert_close(y, expected[0], dtype, tolerance=tolerance)
    assert_close(mean, expected[1], dtype, tolerance=5e-7 if dtype == "float32" else 1e-14)
    assert_close(variance, expected[2], dtype, tolerance=tolerance)
    if images == 1:
        results = call(backend, "batch_norm_backward", dy, x, gamma, mean, variance, 1e-3)
        expected = reference.batch_norm_backward(dy, x, gamma, 1e-3)
        for result, value in zip(results, expected, strict=True):
            assert_close(result, value, dtype, tolerance=tolerance)


def test_normalize_around_a_large_mean(backend: Backend, dtype: str):
    """x - mean is exact here; x * scale + (beta - mean * scale) would not be."""
    fill = Fill(0)
    x = (fill((2, 4, 4, 3), "float64") + 1e4).astype(dtype)
    gamma, beta, _, variance = parameters(fill, 3, dtype)
    arguments = x, gamma, beta, np.full(3, 1e4, dtype), variance, 1e-3
    y = call(backend, "normalize", *arguments)
    assert_close(y, reference.normalize(*arguments), dtype)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_pixel_spoils_its_channel_only(backend: Backend, dtype: str, value: float):
    fill = Fill(0)
    x, dy = fill((2, 3, 3, 4), dtype), fill((2, 3, 3, 4), dtype)
    gamma, beta, mean, variance = parameters(fill, 4, dtype)
    x[1, 0, 2, 2] = value
    in_channel = np.array([False, False, True, False])
    at_pixel = ~np.isfinite(x)
    with np.errstate(invalid="ignore"):  # infinity - infinity
        y, *statistics = call(backend, "batch_norm", x, gamma, beta, 1e-3)
        dx, dgamma, dbeta = call(backend, "batch_norm_backward", dy, x, gamma, *statistics, 1e-3)
        z = call(backend, "normalize", x, gamma, beta, mean, variance, 1e-3)
        _, given_dgamma, _ = call(backend, "normalize_backward", dy, x, gamma, mean, variance, 1e-3)
    for result in (y, dx):
        np.testing.assert_array_equal(np.isnan(result), np.broadcast_to(in_channel, x.shape))
    for result in (*statistics, dgamma, given_dgamma):
        np.testing.assert_array_equal(~np.isfinite(result), in_channel)
    assert np.isfinite(dbeta).all()
    np.testing.assert_array_equal(~np.isfinite(z), at_pixel)


def test_a_bad_gradient_spoils_its_channel_only(backend: Backend, dtype: str):
    fill = Fill(0)
    x, dy = fill((2, 3, 3, 4), dtype), fill((2, 3, 3, 4), dtype)
    gamma, _, mean, variance = parameters(fill, 4, dtype)
    dy[0, 1, 2, 1] = np.nan
    in_channel = np.array([False, True, False, False])
    arguments = dy, x, gamma, mean, variance, 1e-3
    dx, *sums = call(backend, "batch_norm_backward", *arguments)
    np.testing.assert_array_equal(np.isnan(dx), np.broadcast_to(in_channel, x.shape))
    given_dx, *given_sums = call(backend, "normalize_backward", *arguments)
    np.testing.assert_array_equal(np.isnan(given_dx), np.isnan(dy))
    for result in (*sums, *given_sums):
        np.testing.assert_array_equal(np.isnan(result), in_channel)
