"""A walk gives what the model itself gives, forward and backward, and finds its layers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.explain.models import nested, siamese
from tinyconv import Input, Model, Sequential, layers
from tinyconv.explain.walk import Walk, one_image

RNG = np.random.default_rng(1)


def residual() -> Model:
    """In float64, with a value that is used twice, and a normalisation."""
    x = Input((6, 6, 2), dtype="float64")
    y = layers.Conv2D(3, 3, padding="same", dtype="float64", name="conv")(x)
    z = layers.BatchNormalization(dtype="float64", name="norm")(y)
    z = layers.ReLU(dtype="float64", name="relu")(z)
    z = layers.Add(dtype="float64", name="add")([y, z])
    z = layers.GlobalAveragePooling2D(dtype="float64", name="pool")(z)
    return Model(x, layers.Dense(4, activation="softmax", dtype="float64", name="head")(z))


@pytest.mark.parametrize("training", [False, True])
def test_forward_and_backward_are_those_of_the_model(training: bool) -> None:
    model, x = residual(), RNG.normal(size=(3, 6, 6, 2))
    twin = residual()
    twin.set_weights(model.get_weights())
    y, cache = twin.forward(x, training)
    walk = Walk(model, x, training)
    np.testing.assert_allclose(walk.outputs[0], y, atol=1e-12)
    dy = RNG.normal(size=y.shape)
    dx, grads = twin.backward(dy, cache)
    slopes = walk.backward(dy)
    np.testing.assert_allclose(slopes.inputs[0], dx, atol=1e-12)
    assert set(slopes.parameters) == set(grads)
    for path, gradient in grads.items():
        np.testing.assert_allclose(slopes.parameters[path], gradient, atol=1e-12)
    assert [call.path for call in walk.calls] == ["conv", "norm", "relu", "add", "pool", "head"]
    for call, slope in zip(walk.calls, slopes.outputs, strict=True):
        assert slope is not None
        assert slope.shape == call.output.shape


def test_logits_leave_the_softmax_out() -> None:
    model, x = residual(), RNG.normal(size=(3, 6, 6, 2))
    logits = np.exp(Walk(model, x, logits=[True]).outputs[0])
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(logits / logits.sum(axis=1, keepdims=True), expected, atol=1e-12)


def test_backward_from_the_middle() -> None:
    model, x = residual(), RNG.normal(size=(1, 6, 6, 2))
    walk = Walk(model, x)
    dy = RNG.normal(size=(1, 6, 6, 3))
    slopes = walk.backward(dy, walk.number("relu"))
    part = Model(model.input, model.get_layer("relu").output)
    _, cache = part.forward(x)
    np.testing.assert_allclose(slopes.inputs[0], part.backward(dy, cache)[0], atol=1e-12)
    assert slopes.outputs[-1] is None


def test_models_inside_models_and_several_inputs() -> None:
    model = nested()
    walk = Walk(model, RNG.normal(size=(8, 8, 2)))
    assert walk.outputs[0].shape == (1, 3)
    assert walk.number("conv") == walk.number("block/conv") == 0
    assert walk.number(walk.calls[1].layer) == 1
    slopes = walk.backward(np.ones((1, 3), np.float32))
    added = walk.number("add")
    assert slopes.outputs[added] is None  # nothing of this model depends on it
    twins = siamese()
    walk = Walk(twins, [RNG.normal(size=(2, 4)), RNG.normal(size=(2, 4))])
    slopes = walk.backward(np.ones((2, 1), np.float32))
    _, cache = twins.forward([*walk.inputs])
    _, grads = twins.backward(np.ones((2, 1)), cache)
    np.testing.assert_allclose(slopes.parameters["twin/kernel"], grads["twin/kernel"], rtol=1e-5)
    assert [slope.shape for slope in slopes.inputs if slope is not None] == [(2, 4), (2, 4)]


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (1, 8, 8), (1, 8, 8, 1)])
def test_one_gray_image_in_any_form(shape: tuple[int, ...]) -> None:
    model = Sequential([Input((8, 8, 1)), layers.Conv2D(2, 3)])
    assert Walk(model, np.zeros(shape)).outputs[0].shape == (1, 6, 6, 2)
    assert one_image(model.layers[0], np.zeros((3, 8, 8, 1))).shape == (1, 8, 8, 1)


def test_unknown_layers_are_told() -> None:
    walk = Walk(residual(), np.zeros((6, 6, 2)))
    with pytest.raises(ValueError, match=r"no layer 'cnv'. Layers: \['conv', 'norm', 'relu'"):
        walk.number("cnv")
    with pytest.raises(ValueError, match=r"no Dense 'other'"):
        walk.number(layers.Dense(2, name="other"))
    two = Sequential(
        [
            Input((4,)),
            Sequential([Input((4,)), layers.Dense(4, name="same")], name="a"),
            Sequential([Input((4,)), layers.Dense(4, name="same")], name="b"),
        ]
    )
    with pytest.raises(ValueError, match=r"several layers: \['a/same', 'b/same'\]"):
        Walk(two, np.zeros((1, 4))).number("same")
    with pytest.raises(ValueError, match="expected"):
        Walk(residual(), np.zeros((5, 6, 2)))
