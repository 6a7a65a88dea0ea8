"""Pooling against the naive loops: ties, padding, NaN, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.backends.calling import call
from tests.comparison import assert_close
from tests.strategies import VALUES, Fill, fills, windows
from tinyconv.backends.base import Backend
from tinyconv.geometry import Window, slide

BATCH, CHANNELS = st.integers(1, 2), st.integers(1, 5)


@given(window=windows(), batch=BATCH, channels=CHANNELS, fill=fills(VALUES))
def test_max_pool(
    backend: Backend, dtype: str, window: Window, batch: int, channels: int, fill: Fill
):
    x = fill((batch, *window.input, channels), dtype)
    y, argmax = call(backend, "max_pool", x, window)
    expected, expected_argmax = reference.max_pool(x, window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(argmax, expected_argmax)
    assert y.dtype == dtype
    assert argmax.dtype.kind in "iu"


@given(window=windows(), channels=CHANNELS, fill=fills(("ties",)), share=st.floats(0.1, 1))
def test_max_pool_of_nan_and_infinity(
    backend: Backend, dtype: str, window: Window, channels: int, fill: Fill, share: float
):
    x = fill((1, *window.input, channels), dtype)
    bad = fill.generator.random(x.shape) < share
    x[bad] = fill.generator.choice([np.nan, np.inf, -np.inf], x.shape)[bad]
    y, argmax = call(backend, "max_pool", x, window)
    expected, expected_argmax = reference.max_pool(x, window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(argmax, expected_argmax)


@given(window=windows(), batch=BATCH, channels=CHANNELS, fill=fills(VALUES))
def test_max_pool_backward(
    backend: Backend, dtype: str, window: Window, batch: int, channels: int, fill: Fill
):
    x = fill((batch, *window.input, channels), dtype)
    dy = fill((batch, *window.output, channels), dtype)
    dy[fill.index(dy.shape)] = np.nan
    # The argmax comes from the backend itself: its dtype is the backend's own affair.
    _, argmax = call(backend, "max_pool", x, window)
    dx = call(backend, "max_pool_backward", dy, argmax, window)
    _, expected_argmax = reference.max_pool(x, window)
    assert_close(dx, reference.max_pool_backward(dy, expected_argmax, window), dtype, scale=5)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("value", [0.0, -1.0, -np.inf, np.nan])
def test_a_tie_goes_to_the_first_real_pixel(
    backend: Backend, dtype: str, padding: str, value: float
):
    """All pixels equal: tap 0 wins, or, where tap 0 lies in the padding, the first inside."""
    window = slide((5, 5), (3, 3), (2, 2), padding)
    y, argmax = call(backend, "max_pool", np.full((1, 5, 5, 2), value, dtype), window)
    np.testing.assert_array_equal(y, np.full(y.shape, value))
    first = [[4, 3, 3], [1, 0, 0], [1, 0, 0]] if padding == "same" else [[0, 0], [0, 0]]
    np.testing.assert_array_equal(argmax[0, :, :, 0], first)
    np.testing.assert_array_equal(argmax[0, :, :, 1], first)


@given(
    window=windows(), batch=BATCH, channels=CHANNELS, fill=fills(VALUES),
    value=st.sampled_from([0.0, np.nan, np.inf, -np.inf]),
)  # fmt: skip
def test_average_pool(
    backend: Backend, dtype: str, window: Window, batch: int, channels: int, fill: Fill,
    value: float,
):  # fmt: skip
    x = fill((batch, *window.input, channels), dtype)
    x[fill.index(x.shape)] = value
    y = call(backend, "average_pool", x, window)
    assert_close(y, reference.average_pool(x, window), dtype)


@given(
    window=windows(), batch=BATCH, channels=CHANNELS, fill=fills(),
    value=st.sampled_from([0.0, np.nan, np.inf, -np.inf]),
)  # fmt: skip
def test_average_pool_backward(
    backend: Backend, dtype: str, window: Window, batch: int, channels: int, fill: Fill,
    value: float,
):  # fmt: skip
    dy = fill((batch, *window.output, channels), dtype)
    dy[fill.index(dy.shape)] = value
    dx = call(backend, "average_pool_backward", dy, window)
    assert_close(dx, reference.average_pool_backward(dy, window), dtype)


def test_the_whole_image_as_one_window(backend: Backend, dtype: str):
    """What global pooling asks for: one window of the size of the image."""
    window, x = slide((5, 7), (5, 7), (1, 1), "valid"), Fill(0)((2, 5, 7, 3), dtype)
    y, _ = call(backend, "max_pool", x, window)
    np.testing.assert_array_equal(y, x.max(axis=(1, 2), keepdims=True))
    mean = call(backend, "average_pool", x, window)
    assert_close(mean, np.mean(x, axis=(1, 2), keepdims=True, dtype=np.float64), dtype)
