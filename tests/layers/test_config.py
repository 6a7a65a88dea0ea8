"""Configurations, weights and variables: what a layer says about itself."""

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.cases import CASES, Case, name_of
from tinyconv import Sequential, initializers, layers, regularizers
from tinyconv.layers import Layer

EVERY = pytest.mark.parametrize("make", CASES, ids=name_of)


@EVERY
@settings(max_examples=15)
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]))
def test_a_configuration_makes_the_same_layer(make: Callable[..., Layer], data, dtype: str):
    case = data.draw(CASES[make])
    layer = case.layer(dtype)
    config = json.loads(json.dumps(layer.get_config()))
    twin = type(layer).from_config(config)
    assert twin.get_config() == layer.get_config()
    assert twin.name == layer.name
    assert twin.dtype == layer.dtype
    assert twin.trainable == layer.trainable
    twin.ensure_built(case.shape)
    assert [w.path for w in twin.weights] == [w.path for w in layer.weights]
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(twin(case.x(dtype)), layer(case.x(dtype)))


@pytest.mark.parametrize("make", [make for make in CASES if isinstance(make, type)], ids=name_of)
@settings(max_examples=15)
@given(data=st.data())
def test_arguments_are_in_the_configuration(make: Callable[..., Layer], data):
    case = data.draw(CASES[make])
    config = make(**case.arguments).get_config()
    for name in set(case.arguments) - {"activation", "padding", "strides"}:
        assert config[name] == case.arguments[name]


def test_initializers_and_regularizers_travel_too():
    layer = layers.Conv2D(
        2,
        3,
        kernel_initializer=initializers.RandomNormal(stddev=0.5, seed=3),
        bias_initializer="ones",
        kernel_regularizer=regularizers.L1L2(0.1, 0.2),
        bias_regularizer="l2",
    )
    twin = layers.Conv2D.from_config(json.loads(json.dumps(layer.get_config())))
    for each in (layer, twin):
        each.ensure_built((None, 5, 5, 1))
    for mine, other in zip(layer.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert {key: penalty.get_config() for key, penalty in twin.regularizers.items()} == {
        "kernel": {"l1": 0.1, "l2": 0.2},
        "bias": {"l2": 0.01},
    }


@EVERY
@settings(max_examples=5)
@given(data=st.data())
def test_weights_out_and_in(make: Callable[..., Layer], data):
    case = data.draw(CASES[make])
    layer, other = case.layer(seed=1), case.layer(seed=2)
    weights = layer.get_weights()
    assert [w.shape for w in weights] == [w.shape for w in layer.weights]
    assert layer.count_params() == sum(w.size for w in weights)
    other.set_weights(weights)
    np.testing.assert_array_equal(other(case.x()), layer(case.x()))
    for weight in weights:
        weight += 1  # copies: the layer must not notice
    np.testing.assert_array_equal(other(case.x()), layer(case.x()))
    assert len(layer.trainable_weights) + len(layer.non_trainable_weights) == len(layer.weights)


@pytest.fixture
def dense() -> layers.Dense:
    return Case(layers.Dense, {"units": 2, "name": "dense"}, (4, 3)).layer("float32")


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(3, 2)], r"Dense 'dense': expected 2 weights. Received: 1"),
        ([(3, 2), (2,), (2,)], r"Dense 'dense': expected 2 weights. Received: 3"),
        ([(3, 2), (3,)], r"dense/bias: expected shape \(2,\). Received: \(3,\)"),
        ([(2, 3), (2,)], r"dense/kernel: expected shape \(3, 2\). Received: \(2, 3\)"),
        ([(3, 2), (1,)], r"dense/bias: expected shape \(2,\). Received: \(1,\)"),
    ],
)
def test_weights_that_do_not_fit_change_nothing(dense: layers.Dense, shapes, message: str):
    before = dense.get_weights()
    with pytest.raises(ValueError, match=message):
        dense.set_weights([np.ones(shape) for shape in shapes])
    for weight, wanted in zip(dense.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, wanted)


def test_variable(dense: layers.Dense):
    kernel, bias = dense.weights
    assert (kernel.name, kernel.path, kernel.shape) == ("kernel", "dense/kernel", (3, 2))
    assert (bias.name, bias.path, bias.dtype) == ("bias", "dense/bias", "float32")
    assert repr(kernel) == "<Variable path=dense/kernel, shape=(3, 2), dtype=float32>"
    before, copy = kernel.value.copy(), kernel.numpy()
    copy += 1
    np.testing.assert_array_equal(kernel.value, before)
    np.testing.assert_array_equal(np.asarray(kernel), dense.params["kernel"])
    assert np.asarray(kernel, "float64").dtype == "float64"
    detached = np.array(kernel)
    bias.assign([5, 6])
    np.testing.assert_array_equal(dense.params["bias"], [5, 6])
    assert bias.dtype == "float32"
    array = dense.params["kernel"]
    kernel.assign(np.zeros((3, 2)))
    assert dense.params["kernel"] is array, "assign writes in place"
    assert detached.any(), "a copy does not follow"
    with pytest.raises(ValueError, match=r"dense/bias: expected shape \(2,\). Received: \(2, 1\)"):
        bias.assign([[1], [2]])


def test_a_variable_follows_the_layer_to_another_array(dense: layers.Dense):
    """An optimizer moves all parameters into one buffer."""
    kernel = dense.weights[0]
    dense.params["kernel"] = np.full((3, 2), 7, "float32")
    np.testing.assert_array_equal(kernel.numpy(), np.full((3, 2), 7))
    kernel.value = np.full((3, 2), 8, "float32")
    np.testing.assert_array_equal(dense.params["kernel"], np.full((3, 2), 8))


def test_trainable_weights():
    norm = Case(layers.BatchNormalization, {}, (4, 3)).layer()
    assert [w.name for w in norm.trainable_weights] == ["gamma", "beta"]
    assert [w.name for w in norm.non_trainable_weights] == ["moving_mean", "moving_variance"]
    assert norm.count_params() == 12
    norm.trainable = False
    assert norm.trainable_weights == []
    assert [w.name for w in norm.non_trainable_weights] == [w.name for w in norm.weights]


def test_a_model_of_a_configuration_keeps_its_input():
    model = Sequential([layers.Input((5, 5, 1)), layers.Conv2D(2, 3, name="conv")])
    twin = Sequential.from_config(json.loads(json.dumps(model.get_config())))
    assert [w.path for w in twin.weights] == ["conv/kernel", "conv/bias"]
    assert twin.output_shape == (None, 3, 3, 2)
