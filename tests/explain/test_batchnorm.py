"""Batch normalisation and dropout drawn: the numbers, and that nothing is left behind."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference
from tinyconv import layers, use_backend
from tinyconv.explain import batchnorm, dropout, dropped, normalized

RNG = np.random.default_rng(9)
X = 3 + 2 * RNG.normal(size=(6, 4, 5, 7))
backends = pytest.mark.parametrize("backend", ["numpy", "numba"])


def normalization() -> layers.BatchNormalization:
    layer = layers.BatchNormalization(dtype="float64", name="norm")
    layer(X)
    layer.set_weights([RNG.uniform(0.5, 2, 7) for _ in range(4)])
    return layer


@backends
def test_before_and_after(backend: str) -> None:
    with use_backend(backend):
        layer = normalization()
        gamma, beta, moving_mean, moving_variance = weights = layer.get_weights()
        told = normalized(layer, X)
        past = normalized(layer, X, training=False)
    y, mean, variance = reference.batch_norm(X, gamma, beta, layer.epsilon)
    np.testing.assert_array_equal(told.before, X)
    np.testing.assert_allclose(told.after, y)
    np.testing.assert_allclose(told.mean, mean)
    np.testing.assert_allclose(told.variance, variance)
    np.testing.assert_array_equal([told.gamma, told.beta], [gamma, beta])
    expected = reference.normalize(X, gamma, beta, moving_mean, moving_variance, layer.epsilon)
    np.testing.assert_allclose(past.after, expected)
    np.testing.assert_array_equal(past.mean, moving_mean)
    assert (told.by_batch, past.by_batch) == (True, False)
    for before, after in zip(weights, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_figure_tells_each_channel() -> None:
    layer = normalization()
    told = normalized(layer, X)
    figure = batchnorm(layer, X, channel=5)
    assert figure.get_suptitle() == "norm: mean and deviation of this batch"
    before, after, *channels = figure.axes
    assert [axes.get_title() for axes in channels] == ["channel 5", "", "channel 6", ""]
    above, under = (values[..., 5] for values in (told.before, told.after))
    assert channels[0].get_xlabel() == f"{above.mean():.3g} ± {above.std():.2g}"
    scale = f"gamma {told.gamma[5]:.3g}, beta {told.beta[5]:.3g}"
    assert abs(under.mean() - told.beta[5]) < 1e-6
    told_mean = f"{under.mean():.3g}" if told.beta[5] else "0"  # not what rounding leaves of it
    assert channels[1].get_xlabel() == f"{told_mean} ± {under.std():.2g}\n{scale}"
    for axes, values in ((before, told.before), (after, told.after)):
        heights = axes.lines[0].get_ydata()
        np.testing.assert_allclose(heights, values.reshape(-1, 7).mean(axis=0))
    assert batchnorm(layer, X, False).get_suptitle().endswith("of the past, the moving ones")
    lively = RNG.normal(size=(9, 6)) * [1, 9, 1, 8, 7, 6]
    figure = batchnorm(layers.BatchNormalization(), lively)
    titles = [axes.get_title() for axes in figure.axes[2::2]]
    assert titles == ["channel 1", "channel 3", "channel 4", "channel 5"]


@backends
@pytest.mark.parametrize("seed", [None, 3])
def test_what_is_dropped(backend: str, seed: int | None) -> None:
    layer = layers.Dropout(0.25, seed=seed, dtype="float64")
    x = RNG.normal(size=(2, 40, 50))
    with use_backend(backend):
        state = str(layer.generator.bit_generator.state)
        told = dropped(layer, x, 60)
        assert str(layer.generator.bit_generator.state) == state
        y = layer(x[:1], training=True)
    np.testing.assert_array_equal(told.x, x[0])
    np.testing.assert_allclose(told.y, np.where(told.kept, x[0] / 0.75, 0))
    np.testing.assert_array_equal(told.y, y[0])  # what training itself draws next
    assert told.kept.mean() == pytest.approx(0.75, abs=0.04)
    # The mean of 60 draws lies within a few of its deviations from x.
    deviation = np.abs(x[0]) * np.sqrt(0.25 / 0.75 / 60)
    assert np.all(np.abs(told.mean - x[0]) < 6 * deviation + 1e-12)


def test_the_figure_of_dropout() -> None:
    layer = layers.Dropout(0.5, name="drop", seed=1)
    figure = dropout(layer, RNG.normal(size=(3, 10)), draws=5)
    assert figure.get_suptitle() == "drop: drops with a probability of 0.5"
    told = [axes.get_title() for axes in figure.axes]
    assert (told[0], told[3]) == ("x", "mean of 5 draws")
    assert told[1].endswith("of 10")
    assert told[2] == "y: the rest times 2"
    assert figure.axes[0].images[0].get_array().shape == (3, 4)
    image = RNG.normal(size=(1, 6, 5, 3)).astype(np.float32)
    figure = dropout(layer, image, channel=2)
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), image[0, ..., 2])
    never = dropped(layers.Dropout(0.0), image)
    assert never.kept.all()
    np.testing.assert_array_equal(never.mean, never.x)


def test_mistakes_are_told() -> None:
    with pytest.raises(TypeError, match="batchnorm needs a BatchNormalization layer"):
        batchnorm(layers.ReLU(), X)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="channel must be less than 7"):
        batchnorm(normalization(), X, channel=7)
    with pytest.raises(TypeError, match="dropout needs a Dropout layer"):
        dropout(layers.ReLU(), X)  # type: ignore[arg-type]
    layer = layers.Dropout(0.5)
    with pytest.raises(ValueError, match="channel must be less than 7"):
        dropout(layer, X, channel=7)
    with pytest.raises(ValueError, match="draws must be a positive integer"):
        dropout(layer, X, draws=0)
    with pytest.raises(ValueError, match=r"expected input \(batch, \.\.\.\)"):
        dropout(layer, np.zeros(4))
