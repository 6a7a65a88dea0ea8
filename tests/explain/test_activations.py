"""Activations drawn: the statistics are those of the layers' outputs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.explain.models import nested
from tinyconv import Input, Model, Sequential, layers, use_backend
from tinyconv.explain import activation_values, activations

X = np.random.default_rng(4).uniform(size=(5, 6, 6, 1)).astype(np.float32)


def network() -> Sequential:
    """With three dense units of eight that can't be more than 0."""
    model = Sequential(
        [
            Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dense(8, activation="relu", name="dense"),
            layers.Dense(3, activation="softmax", name="head"),
        ]
    )
    kernel, bias = model.get_layer("dense").get_weights()
    kernel[:, [1, 4, 6]] = 0
    bias[[1, 4, 6]] = -1
    model.get_layer("dense").set_weights([np.abs(kernel), bias])
    conv = model.get_layer("conv")
    conv.set_weights([np.abs(conv.kernel.numpy()), conv.bias.numpy()])
    return model


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_statistics_are_those_of_the_outputs(backend: str) -> None:
    model = network()
    with use_backend(backend):
        told = activation_values(model, X)
    assert [each.layer for each in told] == ["conv", "dense", "head"]
    for each in told:
        y = np.asarray(Model(model.input, model.get_layer(each.layer).output)(X), np.float64)
        flat = [float(value) for value in y.ravel()]
        mean = math.fsum(flat) / len(flat)
        np.testing.assert_allclose(each.values, y, rtol=1e-5, atol=1e-6)
        assert each.mean == pytest.approx(mean, rel=1e-4)
        spread = math.fsum((value - mean) ** 2 for value in flat) / len(flat)
        assert each.std == pytest.approx(math.sqrt(spread), rel=1e-4)
        lengths = [math.sqrt(math.fsum(v * v for v in image.ravel())) for image in y]
        assert each.norm == pytest.approx(sum(lengths) / 5, rel=1e-4)
        assert each.zeros == pytest.approx(flat.count(0.0) / len(flat))
        assert each.units == y.shape[-1]
    assert [each.dead.tolist() for each in told] == [[], [1, 4, 6], []]


def test_the_figure_tells_them() -> None:
    model = network()
    figure = activations(model, X)
    assert figure.get_suptitle() == "What comes out of the layers, over 5 images"
    *histograms, norms, zeros = figure.axes
    names = [axes.get_ylabel().split("\n")[0] for axes in histograms]
    assert names == ["conv", "dense", "head"]
    told = activation_values(model, X)
    assert [text.get_text() for text in norms.texts] == [f"{each.norm:.3g}" for each in told]
    assert "3 of 8 dead" in zeros.texts[1].get_text()
    widths = [bar.get_width() for bar in zeros.patches]
    np.testing.assert_allclose(widths, [*(each.zeros for each in told), 0, 3 / 8, 0])


def test_layers_that_are_named_and_models_without_activations() -> None:
    assert [each.layer for each in activation_values(network(), X, ["pool"])] == ["pool"]
    linear = Sequential([Input((6, 6, 1)), layers.Flatten(), layers.Dense(2, name="only")])
    assert [each.layer for each in activation_values(linear, X)] == ["only"]
    assert "over 1 image" in activations(linear, X[0]).get_suptitle()
    x = np.zeros((2, 8, 8, 2))
    assert [each.layer for each in activation_values(nested(), x)] == ["tail/in/r", "tail/soft"]
    all_zero = activations(linear, 0 * X)  # nothing but zeros can be drawn, too
    assert all_zero.axes


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match="no layer 'none'"):
        activations(network(), X, ["none"])
    bare = Sequential([Input((6, 6, 1)), layers.Flatten()])
    with pytest.raises(ValueError, match="no layer has weights or an activation"):
        activations(bare, X)
