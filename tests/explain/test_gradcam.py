"""Grad-CAM and saliency: slopes are numeric derivatives, maps what the paper's equations say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.explain.models import siamese
from tinyconv import Input, Model, Sequential, layers, use_backend
from tinyconv.explain import gradcam, gradcam_values, layer_slopes, saliency, saliency_values
from tinyconv.explain.heat import coloured, enlarge, overlay

RNG = np.random.default_rng(8)
X = RNG.normal(size=(1, 8, 7, 2))
DOUBLE: dict[str, Any] = {"dtype": "float64"}


def parts() -> tuple[Model, Model, Model, Model]:
    """A classifier; its logits by its input, by its last maps; and those maps."""
    x = Input((8, 7, 2), dtype="float64")
    y = layers.Conv2D(3, 3, activation="tanh", name="first", **DOUBLE)(x)
    maps = layers.Conv2D(4, (3, 2), activation="tanh", name="last", **DOUBLE)(y)
    y = layers.AveragePooling2D(2, name="pool", **DOUBLE)(maps)
    y = layers.Flatten(name="flat", **DOUBLE)(y)
    y = layers.Dense(5, activation="tanh", name="hidden", **DOUBLE)(y)
    logits = layers.Dense(3, name="logits", **DOUBLE)(y)
    p = layers.Softmax(name="p", **DOUBLE)(logits)
    return Model(x, p), Model(x, logits), Model(maps, logits), Model(x, maps)


def derivative(function: Any, point: np.ndarray, index: int) -> np.ndarray:
    """The numeric derivative of an output by every element of the point (1, ...)."""
    h, size = 1e-5, point.size
    steps = h * np.eye(size).reshape(size, *point.shape[1:])
    right, left = np.asarray(function(point + steps)), np.asarray(function(point - steps))
    return ((right - left)[:, index] / (2 * h)).reshape(point.shape[1:])


def test_slopes_of_the_layers_are_numeric_derivatives() -> None:
    model, _, head, maps_of = parts()
    found = layer_slopes(model, X, 1)
    assert set(found) == {"first", "last", "pool", "flat", "hidden", "logits", "p"}
    expected = derivative(head, np.asarray(maps_of(X)), 1)
    np.testing.assert_allclose(found["last"][0], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("index", [0, 2, None])
def test_gradcam_is_what_the_equations_say(index: int | None, backend: str) -> None:
    model, logits, head, maps_of = parts()
    with use_backend(backend):
        told = gradcam_values(model, X, index)
        scores = np.asarray(logits(X))[0]
        chosen = int(scores.argmax()) if index is None else index
        maps = np.asarray(maps_of(X))
        slopes = derivative(head, maps, chosen)
    assert (told.class_index, told.layer) == (chosen, "last")
    assert told.score == pytest.approx(scores[chosen])
    assert told.probability == pytest.approx(np.asarray(model(X))[0, chosen])
    weights = [slopes[..., k].sum() / slopes[..., k].size for k in range(4)]
    np.testing.assert_allclose(told.weights, weights, rtol=1e-6, atol=1e-9)
    expected = np.zeros(maps.shape[1:3])
    for h, w in np.ndindex(*expected.shape):
        expected[h, w] = max(0.0, sum(weights[k] * maps[0, h, w, k] for k in range(4)))
    np.testing.assert_allclose(told.map, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("index", [0, 1])
def test_saliency_is_the_slope_of_the_score(index: int, backend: str) -> None:
    model, logits, *_ = parts()
    with use_backend(backend):
        told = saliency_values(model, X[0], index)
        numeric = derivative(logits, X, index)
    np.testing.assert_allclose(told.gradient, numeric, rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(told.x, X[0])
    for h, w in np.ndindex(8, 7):
        assert told.map[h, w] == pytest.approx(max(abs(v) for v in numeric[h, w]), abs=1e-9)


def test_a_softmax_inside_the_last_layer_is_left_out_too() -> None:
    _, logits, *_ = parts()
    inside = Sequential(
        [
            Input((8, 7, 2), dtype="float64"),
            *(layer for layer in logits.layers[1:-1]),
            layers.Dense(3, activation="softmax", name="end", **DOUBLE),
        ]
    )
    inside.layers[-1].set_weights(logits.layers[-1].get_weights())
    told, expected = saliency_values(inside, X, 1), saliency_values(logits, X, 1)
    np.testing.assert_allclose(told.gradient, expected.gradient, rtol=1e-12)
    assert told.score == pytest.approx(expected.score)
    assert expected.probability is None


def test_one_sigmoid_knows_two_classes() -> None:
    x = Input((8, 7, 2), dtype="float64")
    y = layers.Conv2D(2, 3, activation="tanh", **DOUBLE)(x)
    z = layers.Dense(1, name="z", **DOUBLE)(layers.Flatten(**DOUBLE)(y))
    logit = Model(x, z)
    model = Model(x, layers.Activation("sigmoid", **DOUBLE)(z))
    numeric = derivative(logit, X, 0)
    p = float(np.asarray(model(X))[0, 0])
    for index, sign, probability in ((0, -1, 1 - p), (1, 1, p)):
        told = saliency_values(model, X, index)
        np.testing.assert_allclose(told.gradient, sign * numeric, rtol=1e-6, atol=1e-9)
        assert told.probability == pytest.approx(probability)
    assert saliency_values(model, X).class_index == int(p > 0.5)
    assert gradcam_values(model, X, 0).score == -gradcam_values(model, X, 1).score


def test_another_layer_and_models_inside() -> None:
    model, *_ = parts()
    assert gradcam_values(model, X, 0, "first").map.shape == (6, 5)
    assert gradcam_values(model, X, 0, model.get_layer("pool")).layer == "pool"
    outer = Sequential([Input((8, 7, 2), dtype="float64"), model])
    told = gradcam_values(outer, X, 0)
    assert told.layer == f"{model.name}/last"
    np.testing.assert_allclose(told.map, gradcam_values(model, X, 0).map, atol=1e-12)


def test_the_figures() -> None:
    model, *_ = parts()
    told = gradcam_values(model, X, 2)
    figure = gradcam(model, X, 2, class_names=["cat", "dog", "fox"])
    assert figure.get_suptitle() == f"fox: {told.probability:.1%}"
    assert [axes.get_title() for axes in figure.axes] == [
        "image", "Grad-CAM of last, 4 x 4", "what speaks for the class",
    ]  # fmt: skip
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), told.map)
    photograph = RNG.integers(0, 256, (16, 14, 3), np.uint8)
    figure = gradcam(model, X, 2, image=photograph)
    assert figure.get_suptitle().startswith("class 2: ")
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), photograph / 255)
    assert figure.axes[2].images[0].get_array().shape == (16, 14, 3)
    figure = saliency(model, X, 2, image=photograph)
    assert [axes.get_title() for axes in figure.axes] == [
        "image", "saliency: size of the gradient", "gradient",
    ]  # fmt: skip
    steep = saliency_values(model, X, 2)
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), steep.map)
    _, logits, *_ = parts()
    assert ": score " in saliency(logits, X).get_suptitle()


def test_a_map_is_enlarged_between_the_middles_of_its_pixels() -> None:
    small = np.array([[0.0, 4.0], [8.0, 12.0]])
    np.testing.assert_array_equal(enlarge(small, (2, 2)), small)
    np.testing.assert_allclose(enlarge(small, (4, 4))[0], [0, 1, 3, 4])
    np.testing.assert_allclose(enlarge(small, (4, 4))[:, 0], [0, 2, 6, 8])
    np.testing.assert_array_equal(enlarge(np.array([[3.0]]), (5, 2)), np.full((5, 2), 3.0))
    np.testing.assert_array_equal(enlarge(np.arange(6.0).reshape(1, 6), (1, 3)), [[0.5, 2.5, 4.5]])
    grey = np.full((6, 6, 3), 0.5)
    np.testing.assert_array_equal(overlay(grey, np.zeros((2, 2))), grey)
    assert coloured(np.zeros((4, 5, 7))).shape == coloured(np.zeros((4, 5))).shape == (4, 5, 3)


def test_mistakes_are_told() -> None:
    model, *_, maps_of = parts()
    for function in (gradcam, saliency):
        with pytest.raises(ValueError, match="class_index must be less than 3"):
            function(model, X, 3)
        with pytest.raises(ValueError, match=r"one output \(batch, classes\).*\(1, 4, 4, 4\)"):
            function(maps_of, X)
        with pytest.raises(ValueError, match="one input"):
            function(siamese(), [np.zeros((1, 4))] * 2)
    with pytest.raises(ValueError, match=r"'hidden': Grad-CAM needs maps .* shape \(1, 5\)"):
        gradcam(model, X, layer="hidden")
    flat = Sequential([Input((8, 7, 2)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match="no layer makes maps"):
        gradcam(flat, X)
