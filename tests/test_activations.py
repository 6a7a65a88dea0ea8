"""The functions of tinyconv.activations against functions of one number, and their names."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import reference
from tests.comparison import assert_close
from tests.layers.conftest import backend
from tests.strategies import LAYOUTS, lay_out
from tinyconv import activations, layers, nn
from tinyconv.backends import load
from tinyconv.backends.base import LINEAR, Activation
from tinyconv.testing import assert_gradients

__all__ = ["backend"]  # every test here runs on every backend

NAMES = ["elu", "gelu", "leaky_relu", "linear", "relu", "sigmoid", "softmax", "tanh"]
# A call, and the function of one number it should be.
CALLS = {
    "linear": (activations.linear, LINEAR),
    "relu": (activations.relu, Activation("relu")),
    "relu with a slope": (
        lambda x: activations.relu(x, negative_slope=0.25),
        Activation("leaky_relu", 0.25),
    ),
    "relu6": (
        lambda x: activations.relu(x, max_value=6),
        Activation("clipped_relu", max_value=6),
    ),
    "relu with everything": (
        lambda x: activations.relu(x, 0.25, max_value=2, threshold=1),
        Activation("clipped_relu", 0.25, 1, 2),
    ),
    "leaky_relu": (activations.leaky_relu, Activation("leaky_relu", 0.2)),
    "leaky_relu 0.5": (lambda x: activations.leaky_relu(x, 0.5), Activation("leaky_relu", 0.5)),
    "sigmoid": (activations.sigmoid, Activation("sigmoid")),
    "tanh": (activations.tanh, Activation("tanh")),
    "softmax": (activations.softmax, Activation("softmax")),
    "elu": (activations.elu, Activation("elu", 1.0)),
    "elu 0.5": (lambda x: activations.elu(x, alpha=0.5), Activation("elu", 0.5)),
    "gelu": (activations.gelu, Activation("gelu")),
    "gelu approximate": (
        lambda x: activations.gelu(x, approximate=True),
        Activation("gelu_tanh"),
    ),
}
EVERY = pytest.mark.parametrize(("function", "meant"), CALLS.values(), ids=CALLS)


@EVERY
@settings(max_examples=15)
@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    seed=st.integers(0, 2**16),
    dtype=st.sampled_from(["float32", "float64"]),
    layout=st.sampled_from(LAYOUTS),
)
def test_values(function, meant: Activation, shape, seed: int, dtype: str, layout: str):
    x = lay_out(3 * np.random.default_rng(seed).standard_normal(shape).astype(dtype), layout)
    before = x.copy()
    assert_close(function(x), reference.activate(x, meant), dtype, scale=5)
    np.testing.assert_array_equal(x, before, "the input was changed")


@EVERY
@pytest.mark.parametrize("x", [[[-2, 0, 1, 3]], np.array([[-2, 0, 1, 3]], "int64")])
def test_numbers_become_float32(function, meant: Activation, x):
    assert_close(function(x), reference.activate(np.float64(x), meant), "float32", scale=5)


@pytest.mark.parametrize("meant", dict.fromkeys(call[1] for call in CALLS.values()), ids=str)
@settings(max_examples=10)
@given(shape=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=st.integers(0, 2**16))
def test_derivatives(meant: Activation, shape, seed: int):
    x = 2 * np.random.default_rng(seed).standard_normal(shape)
    assert_gradients(layers.Activation(meant, dtype="float64"), x, seed=seed)


@pytest.mark.parametrize(
    ("function", "x", "y"),
    [
        (activations.relu, [-1.0, 0.0, 2.0], [0, 0, 2]),
        (activations.leaky_relu, [-1.0, 0.0, 2.0], [-0.2, 0, 2]),
        (activations.sigmoid, [0.0, -1e4, 1e4], [0.5, 0, 1]),
        (activations.tanh, [0.0, -1e4, 1e4], [0, -1, 1]),
        (activations.softmax, [1e4, 1e4, -1e4, 1e4], [1 / 3, 1 / 3, 0, 1 / 3]),
        (activations.elu, [-1e4, 0.0, 2.0], [-1, 0, 2]),
        (activations.gelu, [-1e4, 0.0, 1.0], [0, 0, 0.8413447]),
    ],
)
def test_values_worth_knowing(function, x, y):
    np.testing.assert_allclose(function(np.array(x)), y, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("axes", [(3,), (2, 3), (2, 2, 2, 3)])
def test_softmax_is_over_the_last_axis(axes: tuple[int, ...]):
    y = activations.softmax(np.random.default_rng(0).standard_normal(axes))
    np.testing.assert_allclose(y.sum(axis=-1), np.ones(axes[:-1]))


@pytest.mark.parametrize("name", NAMES)
def test_get(name: str):
    function = getattr(activations, name)
    found = activations.get(name)
    assert activations.get(function) == found
    assert activations.get(found) is found
    assert found == CALLS[name][1], "the name stands for the function's defaults"
    assert layers.Activation(name).activation == found


def test_get_none_is_linear():
    assert activations.get(None) == LINEAR


def test_nn_has_the_same_functions():
    assert sorted([*nn.__all__, "linear"]) == NAMES
    for name in nn.__all__:
        assert getattr(nn, name) is getattr(activations, name)


@pytest.mark.parametrize("unknown", ["rellu", "swish", "", math.sin, 3, ["relu"], {"relu": 1}])
def test_unknown(unknown):
    with pytest.raises(ValueError, match=r"unknown activation .*Known: elu, gelu") as error:
        activations.get(unknown)
    assert repr(unknown) in str(error.value)
    assert ("Did you mean 'relu'?" in str(error.value)) == (unknown == "rellu")


def test_the_owner_is_named():
    with pytest.raises(ValueError, match="Dense 'dense_of_errors': unknown activation 'rellu'"):
        layers.Dense(3, activation="rellu", name="dense_of_errors")


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda: activations.relu([1.0], negative_slope=-0.1), "negative_slope"),
        (lambda: activations.leaky_relu([1.0], negative_slope=-0.1), "negative_slope"),
        (lambda: activations.leaky_relu([1.0], negative_slope=math.nan), "negative_slope"),
        (lambda: activations.elu([1.0], alpha=-1), "alpha"),
    ],
)
def test_slopes_must_not_be_negative(call, argument: str):
    with pytest.raises(ValueError, match=f"{argument} must not be negative. Received: {argument}="):
        call()


@pytest.mark.parametrize("meant", [meant for _, meant in CALLS.values()], ids=str)
def test_what_is_written_down_is_read_back(meant: Activation):
    written = json.loads(json.dumps(activations.serialize(meant)))
    assert activations.get(written) == meant


@pytest.mark.parametrize("name", NAMES)
def test_names_are_written_down_as_names(name: str):
    assert activations.serialize(activations.get(name)) == name


@pytest.mark.parametrize(
    "identifier", [Activation("swish"), {"class_name": "Activation", "config": {"name": "swish"}}]
)
def test_an_activation_that_no_backend_knows_is_refused(identifier):
    with pytest.raises(ValueError, match=r"unknown activation .*swish"):
        activations.get(identifier)


def test_the_textbook_refuses_it_too():
    backend = load("numpy")
    with pytest.raises(ValueError, match="unknown activation 'swish'"):
        backend.activate(np.ones((1, 2)), None, Activation("swish"))
    with pytest.raises(ValueError, match="unknown activation 'swish'"):
        backend.activate_backward(np.ones((1, 2)), np.ones((1, 2)), Activation("swish"), False)
