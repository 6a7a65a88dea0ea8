"""The one layer that a forward pass changes."""

import numpy as np
import pytest

from tests.comparison import assert_close
from tests.layers.cases import Case
from tinyconv import layers

SHAPE = (5, 3, 2, 4)


def build(**arguments) -> layers.BatchNormalization:
    return Case(layers.BatchNormalization, arguments, SHAPE).layer()


def statistics(layer: layers.BatchNormalization) -> list[np.ndarray]:
    return [layer.state[key].copy() for key in ("moving_mean", "moving_variance")]


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moving_statistics_after_several_steps(momentum: float, dtype: str):
    layer = layers.BatchNormalization(momentum=momentum, dtype=dtype)
    mean, variance = np.zeros(4), np.ones(4)
    for step in range(5):
        x = np.random.default_rng(step).normal(step, 1 + step, SHAPE).astype(dtype)
        layer.forward(x, training=True)
        for c in range(4):
            values = np.float64(x[..., c]).ravel()
            batch = sum(values) / 30
            biased = sum((values - batch) ** 2) / 30
            mean[c] = momentum * mean[c] + (1 - momentum) * batch
            variance[c] = momentum * variance[c] + (1 - momentum) * biased
    for moving, wanted in zip(statistics(layer), (mean, variance), strict=True):
        assert_close(moving, wanted, dtype, scale=10)


def test_a_new_layer_starts_at_mean_0_and_variance_1():
    layer = layers.BatchNormalization(epsilon=0.5)
    x = np.random.default_rng(0).standard_normal(SHAPE).astype("float32")
    assert_close(layer(x), x / np.sqrt(1.5), "float32")
    assert [weight.name for weight in layer.weights] == [
        "gamma", "beta", "moving_mean", "moving_variance",
    ]  # fmt: skip


@pytest.mark.parametrize(("training", "trainable"), [(False, True), (False, False), (True, False)])
def test_statistics_stand_still(training: bool, trainable: bool):
    layer = build(trainable=trainable)
    before = statistics(layer)
    layer.forward(np.random.default_rng(0).standard_normal(SHAPE), training)
    for moving, wanted in zip(statistics(layer), before, strict=True):
        np.testing.assert_array_equal(moving, wanted)


def test_frozen_is_inference_and_melts_again():
    layer = build()
    x = np.random.default_rng(0).standard_normal(SHAPE)
    inference = layer(x)
    layer.trainable = False
    np.testing.assert_array_equal(layer.forward(x, training=True)[0], inference)
    layer.trainable = True
    trained = layer.forward(x, training=True)[0]
    assert np.abs(trained - inference).max() > 0.1
    assert_close(trained.mean((0, 1, 2)), layer.params["beta"], "float64")


def test_a_cache_does_not_follow_the_moving_statistics():
    layer = build()
    x, dy = np.random.default_rng(0).standard_normal((2, *SHAPE))
    _, cache = layer.forward(x)
    dx, grads = layer.backward(dy, cache)
    layer.forward(10 * x, training=True)
    later_dx, later = layer.backward(dy, cache)
    np.testing.assert_array_equal(later_dx, dx)
    np.testing.assert_array_equal(later["gamma"], grads["gamma"])


def test_backward_belongs_to_the_mode_of_its_forward():
    """Freezing the layer in between changes nothing."""
    layer = build()
    x, dy = np.random.default_rng(0).standard_normal((2, *SHAPE))
    _, cache = layer.forward(x, training=True)
    dx, _ = layer.backward(dy, cache)
    layer.trainable = False
    np.testing.assert_array_equal(layer.backward(dy, cache)[0], dx)


@pytest.mark.parametrize(
    ("center", "scale", "names"),
    [
        (True, True, ["gamma", "beta"]),
        (True, False, ["beta"]),
        (False, True, ["gamma"]),
        (False, False, []),
    ],
)
def test_center_and_scale(center: bool, scale: bool, names: list[str]):
    layer = build(center=center, scale=scale)
    assert list(layer.params) == names
    x = np.random.default_rng(0).standard_normal(SHAPE)
    y, cache = layer.forward(x, training=True)
    assert list(layer.backward(y, cache)[1]) == names
    if not center:
        assert_close(y.mean((0, 1, 2)), np.zeros(4), "float64")
    if not scale:
        assert_close(y.var((0, 1, 2)), np.ones(4), "float64", tolerance=1e-2)


@pytest.mark.parametrize("training", [True, False])
def test_one_sample_of_one_value(training: bool):
    """Its own mean, and no variance: what is left is beta."""
    layer = Case(layers.BatchNormalization, {}, (1, 3)).layer()
    y, cache = layer.forward(np.array([[1e3, 0, -1e3]]), training)
    dx, grads = layer.backward(np.ones((1, 3)), cache)
    if training:
        assert_close(y, layer.params["beta"][None], "float64")
        assert_close(dx, np.zeros((1, 3)), "float64")
        assert_close(grads["gamma"], np.zeros(3), "float64")
    assert_close(grads["beta"], np.ones(3), "float64")


def test_the_last_axis_may_be_named_by_its_number():
    x = np.random.default_rng(0).standard_normal(SHAPE)
    assert_close(
        layers.BatchNormalization(axis=3, dtype="float64")(x),
        layers.BatchNormalization(dtype="float64")(x),
        "float64",
    )
    with pytest.raises(ValueError, match=r"axis must be the last.*Received: axis=1, shape"):
        layers.BatchNormalization(axis=1)(x)
