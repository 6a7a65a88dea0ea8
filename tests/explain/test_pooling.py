"""Pooling drawn: winners and gradients are those of the naive loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from tests import reference
from tinyconv import layers, use_backend
from tinyconv.explain import pooled, pooling

RNG = np.random.default_rng(3)
X = RNG.integers(-9, 9, (2, 9, 8, 3)).astype(np.float64)  # with ties
SIZES: list[dict[str, Any]] = [
    {},
    {"padding": "same"},
    {"pool_size": (3, 2), "strides": (2, 3), "padding": "same"},
    {"pool_size": 3, "strides": 1},
]
sizes = pytest.mark.parametrize("size", SIZES, ids=str)
backends = pytest.mark.parametrize("backend", ["numpy", "numba"])


@sizes
@backends
def test_the_winner_gets_the_gradient(size: dict[str, Any], backend: str) -> None:
    layer = layers.MaxPooling2D(dtype="float64", **size)
    window = layer.window(X.shape)
    y, argmax = reference.max_pool(X[:1], window)
    dy = RNG.normal(size=y.shape)
    with use_backend(backend):
        told = pooled(layer, X, dy)
    np.testing.assert_array_equal(told.y, y[0])
    np.testing.assert_array_equal(told.dy, dy[0])
    dx = reference.max_pool_backward(dy, argmax, window)
    np.testing.assert_allclose(told.dx, dx[0], atol=1e-12)
    for i, j, c in np.ndindex(*y.shape[1:]):
        row, col = told.winners[i, j, c]
        assert X[0, row, col, c] == y[0, i, j, c]
    again = np.zeros(X.shape[1:])
    for i, j, c in np.ndindex(*y.shape[1:]):
        again[(*told.winners[i, j, c], c)] += dy[0, i, j, c]
    np.testing.assert_allclose(told.dx, again, atol=1e-12)


@sizes
@backends
def test_a_mean_has_no_winner(size: dict[str, Any], backend: str) -> None:
    layer = layers.AveragePooling2D(dtype="float64", **size)
    window = layer.window(X.shape)
    with use_backend(backend):
        told = pooled(layer, X[0])
    np.testing.assert_allclose(told.y, reference.average_pool(X[:1], window)[0])
    ones = np.ones((1, *window.output, 3))
    np.testing.assert_allclose(told.dx, reference.average_pool_backward(ones, window)[0])
    assert np.all(told.winners == -1)


def test_the_figure_shows_some_windows_and_frames_the_winners() -> None:
    layer = layers.MaxPooling2D(name="pool")
    told = pooled(layer, X)
    figure = pooling(layer, X, at=(0, 3), channel=1)
    assert figure.get_suptitle() == "pool: windows of 2 x 2, every 2 x 2, channel 1"
    before, after, back, slopes = figure.axes
    np.testing.assert_array_equal(before.images[0].get_array(), told.x[:8, :8, 1])
    np.testing.assert_array_equal(after.images[0].get_array(), told.y[:4, :4, 1])
    np.testing.assert_array_equal(back.images[0].get_array(), told.dx[:8, :8, 1])
    np.testing.assert_array_equal(slopes.images[0].get_array(), 1)
    frames = {
        (round(p.get_y() + 0.5), round(p.get_x() + 0.5))
        for p in before.patches
        if isinstance(p, Rectangle)
    }
    assert frames == {tuple(told.winners[i, j, 1]) for i, j in np.ndindex(4, 4)}
    shown = [
        tick.get_text() for tick in pooling(layer, np.zeros((40, 40))).axes[0].get_yticklabels()
    ]
    assert shown == [str(row) for row in range(16, 24)]


def test_mistakes_are_told() -> None:
    layer = layers.MaxPooling2D(name="pool")
    with pytest.raises(TypeError, match="needs a MaxPooling2D or AveragePooling2D layer"):
        pooling(layers.GlobalMaxPooling2D(), X)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'pool': at must be a pixel .* which has 4 x 4"):
        pooling(layer, X, (4, 0))
    with pytest.raises(ValueError, match="channel must be less than 3"):
        pooling(layer, X, channel=3)
    with pytest.raises(ValueError, match="expected dy of the output's shape"):
        pooling(layer, X, dy=np.ones(3))
