"""Dropout: which elements are kept is chance, what happens to them is not."""

import math

import numpy as np
import pytest

from tests.backends.calling import call
from tests.comparison import assert_close
from tests.strategies import LAYOUTS, Fill, lay_out
from tinyconv.backends.base import Backend

RATES = pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@RATES
@pytest.mark.parametrize("layout", LAYOUTS)
def test_kept_elements_are_scaled_and_the_others_zero(
    backend: Backend, dtype: str, rate: float, layout: str
):
    x = lay_out(Fill(0)((4, 5, 3, 2), dtype), layout)
    y, kept = call(backend, "dropout", x, rate, random())
    assert kept.dtype == bool
    assert kept.shape == x.shape
    assert 0 < kept.sum() < kept.size
    assert_close(y, np.where(kept, np.float64(x) / (1 - rate), 0), dtype)
    dy = lay_out(Fill(1)(x.shape, dtype), layout)
    dx = call(backend, "dropout_backward", dy, kept, rate)
    assert_close(dx, np.where(kept, np.float64(dy) / (1 - rate), 0), dtype)


@RATES
def test_the_share_that_is_dropped(backend: Backend, rate: float):
    """Overall, in each image and in each channel: within 5 standard deviations of `rate`."""
    kept = call(backend, "dropout", np.ones((20, 50, 50, 10), "float32"), rate, random())[1]
    for axes in ((0, 1, 2, 3), (1, 2, 3), (0, 1, 2)):
        share = 1 - kept.mean(axis=axes)
        deviation = math.sqrt(rate * (1 - rate) * np.size(share) / kept.size)
        assert (np.abs(share - rate) < 5 * deviation).all()


def test_elements_are_dropped_independently(backend: Backend):
    """Neighbours agree as often as two independent coins do."""
    kept = call(backend, "dropout", np.ones((100, 1000), "float32"), 0.5, random())[1]
    for axis in (0, 1):
        first, second = np.delete(kept, 0, axis), np.delete(kept, -1, axis)
        assert abs((first == second).mean() - 0.5) < 5 * 0.5 / math.sqrt(first.size)


def test_the_generator_decides(backend: Backend, dtype: str):
    """Equal generators drop the same; the next call drops other elements."""
    x, generator = np.ones((10, 50), dtype), random(7)
    first = call(backend, "dropout", x, 0.5, random(7))[1]
    np.testing.assert_array_equal(call(backend, "dropout", x, 0.5, generator)[1], first)
    assert (call(backend, "dropout", x, 0.5, generator)[1] != first).mean() > 0.3
    assert (call(backend, "dropout", x, 0.5, random(8))[1] != first).mean() > 0.3


def test_nothing_is_dropped_at_rate_zero(backend: Backend, dtype: str):
    x = Fill(0)((10, 50), dtype)
    y, kept = call(backend, "dropout", x, 0.0, random())
    assert kept.all()
    np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_values_pass_where_kept_and_vanish_where_dropped(
    backend: Backend, dtype: str, value: float
):
    x = np.full((10, 10), value, dtype)
    y, kept = call(backend, "dropout", x, 0.5, random())
    np.testing.assert_array_equal(y, np.where(kept, value, 0))
    dx = call(backend, "dropout_backward", x, kept, 0.5)
    np.testing.assert_array_equal(dx, np.where(kept, value, 0))
