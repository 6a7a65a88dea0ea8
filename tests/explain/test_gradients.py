"""Gradients drawn: each is the numeric derivative of the loss, and the model stays as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinyconv import Input, Model, Sequential, layers, random, regularizers, use_backend
from tinyconv.explain import gradient_values, gradients

RNG = np.random.default_rng(6)
X = RNG.normal(size=(4, 5, 5, 2))
Y = np.array([0, 2, 1, 2])
DOUBLE: dict[str, Any] = {"dtype": "float64"}


def network(*between: layers.Layer, regularizer: Any = None) -> Sequential:
    """Smooth, so that a numeric derivative is exact; in float64."""
    model = Sequential(
        [
            Input((5, 5, 2), dtype="float64"),
            layers.Conv2D(3, 3, activation="tanh", name="conv", **DOUBLE),
            *between,
            layers.Flatten(**DOUBLE),
            layers.Dense(4, activation="tanh", name="hidden", kernel_regularizer=regularizer,
                         **DOUBLE),
            layers.Dense(3, activation="softmax", name="head", **DOUBLE),
        ]
    )  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def cross_entropy(model: Model, training: bool) -> float:
    p = np.asarray(model(X, training=training))
    return float(-np.log(p[np.arange(len(Y)), Y]).mean())


def slope(model: Model, weight: Any, index: tuple[int, ...], loss: Any) -> float:
    """The numeric derivative by one element of a weight."""
    h, start = 1e-5, weight.numpy()
    ends = []
    for step in (h, -h):
        moved = start.copy()
        moved[index] += step
        weight.assign(moved)
        ends.append(loss(model))
    weight.assign(start)
    return (ends[0] - ends[1]) / (2 * h)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("training", [False, True])
def test_every_gradient_is_the_derivative_of_the_loss(training: bool, backend: str) -> None:
    with use_backend(backend):
        model = network(layers.BatchNormalization(name="norm", **DOUBLE))
        told = gradient_values(model, X, Y, training)
        assert told.loss == pytest.approx(cross_entropy(model, training), rel=1e-9)
        paths = [weight.path for weight in model.trainable_weights]
        assert [each.path for each in told.parameters] == paths
        for each, weight in zip(told.parameters, model.trainable_weights, strict=True):
            assert each.gradient.shape == weight.shape
            for flat in RNG.integers(0, each.gradient.size, 4):
                index = np.unravel_index(flat, weight.shape)
                numeric = slope(model, weight, index, lambda m: cross_entropy(m, training))
                assert each.gradient[index] == pytest.approx(numeric, rel=1e-4, abs=1e-8)
            assert each.norm == pytest.approx(np.linalg.norm(each.gradient.ravel()))
            assert each.weight_norm == pytest.approx(np.linalg.norm(weight.numpy().ravel()))
            if each.weight_norm:
                assert each.ratio == pytest.approx(each.norm / each.weight_norm)
            else:
                assert each.ratio == (np.inf if each.norm else 0.0)


def test_penalties_count() -> None:
    model = network(regularizer=regularizers.L2(0.3))

    def total(model: Model) -> float:
        kernel = model.get_layer("hidden").kernel.numpy()
        return cross_entropy(model, False) + 0.3 * float((kernel**2).sum())

    told = gradient_values(model, X, Y)
    assert told.loss == pytest.approx(total(model), rel=1e-9)
    named = {each.path: each for each in told.parameters}
    for index in [(0, 0), (3, 2), (20, 1)]:
        numeric = slope(model, model.get_layer("hidden").kernel, index, total)
        assert named["hidden/kernel"].gradient[index] == pytest.approx(numeric, rel=1e-4)


def test_slopes_by_the_outputs() -> None:
    model = network()
    told = gradient_values(model, X, Y)
    p = np.asarray(model(X))
    by_logits = (p - np.eye(3)[Y]) / len(Y)
    by_hidden = by_logits @ model.get_layer("head").kernel.numpy().T
    slopes = {each.layer: each for each in told.slopes}
    assert slopes["head"].rms == pytest.approx(np.sqrt((by_logits**2).mean()))
    assert slopes["hidden"].rms == pytest.approx(np.sqrt((by_hidden**2).mean()))
    assert [each.learns for each in told.slopes] == [True, False, True, True]


def test_several_outputs_with_weights_and_one_without_a_loss() -> None:
    x = Input((5, 5, 2), dtype="float64")
    y = layers.Flatten(**DOUBLE)(x)
    one, two, three = (layers.Dense(2, name=f"d{n}", **DOUBLE)(y) for n in range(3))
    model = Model(x, [one, two, three])
    model.compile("sgd", ["mse", "mse", None], loss_weights=[1.0, 0.25, None])
    targets = [RNG.normal(size=(4, 2)), RNG.normal(size=(4, 2)), None]

    def total(model: Model) -> float:
        a, b, _ = model(X)
        return float(((a - targets[0]) ** 2).mean() + 0.25 * ((b - targets[1]) ** 2).mean())

    told = gradient_values(model, X, targets)
    assert told.loss == pytest.approx(total(model))
    named = {each.path: each.gradient for each in told.parameters}
    for name in ("d0", "d1", "d2"):
        numeric = slope(model, model.get_layer(name).kernel, (7, 1), total)
        assert named[f"{name}/kernel"][7, 1] == pytest.approx(numeric, rel=1e-5, abs=1e-9)


def test_the_model_stays_as_it_was() -> None:
    model = network(layers.BatchNormalization(**DOUBLE), layers.Dropout(0.5, **DOUBLE))
    weights, luck = model.get_weights(), str(random.generator().bit_generator.state)
    first = gradient_values(model, X, Y)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert str(random.generator().bit_generator.state) == luck
    again = gradient_values(model, X, Y)  # the same is dropped
    np.testing.assert_array_equal(first.parameters[0].gradient, again.parameters[0].gradient)


def test_frozen_layers_are_left_out_and_the_figure_names_the_rest() -> None:
    model = network()
    model.get_layer("conv").trainable = False
    told = gradient_values(model, X, Y)
    assert {each.path.split("/")[0] for each in told.parameters} == {"hidden", "head"}
    figure = gradients(model, X, Y)
    assert figure.get_suptitle() == f"What the loss of {told.loss:.4g} says to each layer"
    left, right = figure.subfigs
    *histograms, lengths, ratios = left.axes
    names = [axes.get_ylabel().split("\n")[0] for axes in histograms]
    assert names == ["hidden/kernel", "head/kernel"]
    kernels = [each for each in told.parameters if each.path.endswith("kernel")]
    assert [text.get_text() for text in lengths.texts] == [f"{each.norm:.3g}" for each in kernels]
    assert [text.get_text() for text in ratios.texts] == [f"{each.ratio:.3g}" for each in kernels]
    ticks = [tick.get_text() for tick in right.axes[0].get_yticklabels()]
    assert ticks == ["conv", "hidden", "head"]


def test_mistakes_are_told() -> None:
    with pytest.raises(RuntimeError, match="call compile"):
        gradients(Sequential([Input((2,)), layers.Dense(1)]), np.zeros((1, 2)), np.zeros((1, 1)))
    model = network()
    with pytest.raises(ValueError, match="must have the same length"):
        gradients(model, X, Y[:2])
    with pytest.raises(ValueError, match="has a loss but no targets"):
        gradients(model, X, None)
    model.trainable = False
    with pytest.raises(ValueError, match="no layer is trainable"):
        gradients(model, X, Y)
