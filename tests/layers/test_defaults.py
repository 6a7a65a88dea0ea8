"""What a layer does when it is told nothing, and what it says about itself before it is asked."""

import inspect

import numpy as np
import pytest

from tests.layers.cases import exported_layers
from tests.layers.test_arguments import EVERY, build
from tinyconv import layers
from tinyconv.layers import Layer
from tinyconv.layers.affine import Affine

# Keras 3's, as its documentation lists them.
DEFAULTS = {
    layers.AveragePooling2D(): {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"},
    layers.MaxPooling2D(): {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"},
    layers.GlobalAveragePooling2D(): {"keepdims": False},
    layers.GlobalMaxPooling2D(): {"keepdims": False},
    layers.ReLU(): {"max_value": None, "negative_slope": 0.0, "threshold": 0.0},
    layers.Softmax(): {"axis": -1},
    layers.Concatenate(): {"axis": -1},
    layers.ZeroPadding2D(): {"padding": ((1, 1), (1, 1))},
    layers.Rescaling(2.0): {"offset": 0.0},
    layers.Dropout(0.5): {"seed": None},
    layers.Dense(2): {"activation": "linear", "use_bias": True},
    layers.Conv2D(2, 3): {
        "strides": (1, 1), "padding": "valid", "dilation_rate": (1, 1), "groups": 1,
        "activation": "linear", "use_bias": True,
    },
    layers.BatchNormalization(): {
        "axis": -1, "momentum": 0.99, "epsilon": 1e-3, "center": True, "scale": True,
    },
}  # fmt: skip

# In training two draw random numbers or change what they know; an input is never asked.
STEADY = exported_layers() - {layers.BatchNormalization, layers.Dropout, layers.InputLayer}


def as_tuples(value):
    return tuple(map(as_tuples, value)) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize(("layer", "expected"), DEFAULTS.items(), ids=lambda x: type(x).__name__)
def test_defaults_are_keras_defaults(layer: Layer, expected: dict):
    config = layer.get_config()
    assert {key: as_tuples(config[key]) for key in expected} == expected
    assert layer.trainable is True
    assert layer.dtype == "float32"


@EVERY
def test_a_pass_is_inference_unless_it_is_said_to_be_training(make: type[Layer]):
    passes = make.forward, make.forward_logits
    assert [inspect.signature(each).parameters["training"].default for each in passes] == [
        False
    ] * 2


@EVERY
def test_what_a_frozen_layer_keeps_steady(make: type[Layer]):
    """Its features may be kept from epoch to epoch only if nothing in them changes."""
    layer = build(make)
    assert layer.constant(training=False)
    assert layer.constant(training=True) == (make in STEADY)


def test_built_says_whether_a_layer_has_its_parameters():
    layer = layers.Dense(2)
    assert not layer.built
    kernel = (layer(np.ones((1, 3))), layer.params["kernel"])[1]
    assert layer.built
    layer(np.ones((1, 3)))
    assert layer.params["kernel"] is kernel, "built once"


def test_a_window_that_does_not_fit_leaves_the_layer_ready_for_another():
    layer = layers.Conv2D(2, 5, name="mine")
    with pytest.raises(ValueError, match=r"Conv2D 'mine': .*window"):
        layer.ensure_built((None, 3, 9, 1))
    assert not layer.built
    assert layer.params == {}
    layer.ensure_built((None, 9, 9, 4))
    assert layer.params["kernel"].shape == (5, 5, 4, 2)


def test_an_input_layer_refuses_another_shape():
    with pytest.raises(ValueError, match=r"expected input of shape \(None, 3\). .*shape \(2, 4\)"):
        layers.InputLayer((3,))(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"For a single sample add the batch axis: x\[None\]"):
        layers.InputLayer((3, 4))(np.ones((3, 4)))


def test_what_an_affine_layer_must_define():
    layer, x = Affine(name="mine"), np.ones((1, 2))
    for call in (
        lambda: layer.product(x, x),
        lambda: layer.forward_logits(x),
        lambda: layer.backward_parameters(x, None),
        lambda: layer._backward_input(x, None),
    ):
        with pytest.raises(TypeError, match="Affine 'mine' defines no"):
            call()


@pytest.mark.parametrize("argument", ["filters", "groups"])
def test_the_argument_that_is_no_number_is_named(argument: str):
    with pytest.raises((TypeError, ValueError), match=f"Conv2D 'mine': {argument} must be"):
        layers.Conv2D(**{"filters": 2, "kernel_size": 3, "name": "mine", argument: 1.5})
