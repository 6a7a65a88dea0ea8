"""Dropout is random, so it is held to what must be true of any mask."""

import numpy as np
import pytest

from tests.comparison import assert_close
from tinyconv import layers, random

SHAPE = (20, 30, 5)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training(rate: float, dtype: str):
    random.set_seed(0)
    x = 1 + np.random.default_rng(0).random(SHAPE).astype(dtype)
    y, cache = layers.Dropout(rate, dtype=dtype).forward(x, training=True)
    dropped = y == 0
    # 3000 draws: four standard deviations of their mean.
    assert dropped.mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / 3000))
    assert_close(y, np.where(dropped, 0, np.float64(x) / (1 - rate)), dtype, scale=20)
    dx, _ = cache.owner.backward(x, cache)
    np.testing.assert_array_equal(dx, y, "the same mask and scale on the way back")


def test_the_mean_is_kept():
    random.set_seed(1)
    y, _ = layers.Dropout(0.4).forward(np.ones(SHAPE), training=True)
    assert y.mean() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize(("rate", "training"), [(0.5, False), (0.0, True), (0.0, False)])
def test_nothing_is_dropped(rate: float, training: bool):
    x = np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    random.set_seed(0)
    state = random.generator().bit_generator.state
    layer = layers.Dropout(rate)
    y, cache = layer.forward(x, training)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(layer.backward(x, cache)[0], x)
    assert random.generator().bit_generator.state == state, "no mask is drawn"


def masks(layer: layers.Dropout, count: int = 2) -> list[np.ndarray]:
    return [layer(np.ones(SHAPE), training=True) for _ in range(count)]


def test_every_pass_draws_a_new_mask():
    first, second = masks(layers.Dropout(0.5))
    assert (first != second).any()


def test_the_shared_seed_repeats_the_masks():
    runs = []
    for _ in range(2):
        random.set_seed(3)
        runs.append(masks(layers.Dropout(0.5)))
    np.testing.assert_array_equal(runs[0], runs[1])


def test_a_seed_of_its_own():
    """Repeats whatever else draws from the shared generator, and draws nothing from it."""
    random.set_seed(0)
    state = random.generator().bit_generator.state
    first = masks(layers.Dropout(0.5, seed=5))
    assert random.generator().bit_generator.state == state
    random.set_seed(1)
    np.testing.assert_array_equal(masks(layers.Dropout(0.5, seed=5)), first)
    assert (masks(layers.Dropout(0.5, seed=6))[0] != first[0]).any()


@pytest.mark.parametrize("rate", [1, 1.0, -0.1, 2, "0.5", None])
def test_rates_that_are_none(rate):
    with pytest.raises(ValueError, match=r"rate must be in \[0, 1\). Received: rate="):
        layers.Dropout(rate)
