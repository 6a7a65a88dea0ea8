"""Every layer's backward pass against the numeric derivative of its forward pass."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.layers.cases import ACTIVATIONS, CASES, Case, exported_layers, name_of
from tinyconv import layers
from tinyconv.layers import Layer
from tinyconv.testing import assert_gradients

SEEDS = st.integers(0, 2**16)


def test_every_exported_layer_has_cases():
    assert exported_layers() <= set(CASES)


@pytest.mark.parametrize("make", CASES, ids=name_of)
@settings(max_examples=25)
@given(data=st.data(), seed=SEEDS)
def test_gradients(make: Callable[..., Layer], data: st.DataObject, seed: int):
    case = data.draw(CASES[make])
    assert_gradients(case.layer(seed=seed), case.x(seed=seed), training=case.training, seed=seed)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize(
    "case",
    [
        Case(layers.Dense, {"units": 3}, (5, 4)),
        Case(layers.Conv2D, {"filters": 3, "kernel_size": (3, 2)}, (2, 5, 4, 2)),
    ],
    ids=["Dense", "Conv2D"],
)
def test_every_activation_inside_a_layer(case: Case, activation):
    """Drawing at random may leave one of them out."""
    assert_gradients(case.layer(activation=activation), case.x())


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("center", "scale"), [(True, True), (True, False), (False, False)])
@pytest.mark.parametrize("shape", [(1, 3), (4, 3), (1, 3, 3, 2), (3, 2, 1, 2)])
def test_batch_normalization_in_every_mode(shape, center, scale, training, trainable):
    arguments = {"center": center, "scale": scale, "trainable": trainable}
    case = Case(layers.BatchNormalization, arguments, shape)
    assert_gradients(case.layer(), case.x(), training=training)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("dilation_rate", [1, 2])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_convolution_of_an_odd_image(padding, strides, dilation_rate, groups):
    arguments = {
        "filters": 4, "kernel_size": 3, "padding": padding, "strides": strides,
        "dilation_rate": dilation_rate, "groups": groups,
    }  # fmt: skip
    case = Case(layers.Conv2D, arguments, (1, 7, 9, 4))
    assert_gradients(case.layer(), case.x())
