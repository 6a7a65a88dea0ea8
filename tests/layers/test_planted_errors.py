"""A checker that never complains proves nothing: every planted mistake must be found."""

import numpy as np
import pytest

from tests.layers.cases import ACTIVATIONS, Case, exported_layers
from tests.layers.planted import MISTAKES, Planted, of_parameter, plant
from tinyconv import layers
from tinyconv.backends import get_backend
from tinyconv.testing import assert_gradients, gradcheck

EVERY = pytest.mark.parametrize(
    "planted", MISTAKES, ids=lambda planted: f"{planted.case.make.__name__}-{planted.name}"
)


def test_every_layer_and_activation_has_a_mistake():
    assert exported_layers() <= {planted.case.make for planted in MISTAKES}
    activations = {planted.case.arguments.get("activation") for planted in MISTAKES}
    assert {name for name in ACTIVATIONS if isinstance(name, str)} <= activations


@EVERY
def test_the_right_row_fails(planted: Planted):
    case = planted.case
    right = gradcheck(case.layer(), case.x(), training=case.training)
    assert right.passed, str(right)
    wrong = gradcheck(plant(case.layer(), planted.mistake), case.x(), training=case.training)
    assert {row.name for row in wrong.rows if not row.passed} == planted.fails
    assert [row.name for row in wrong.rows] == [row.name for row in right.rows]


@pytest.mark.parametrize("seed", range(10))
def test_one_wrong_weight_is_found_whatever_the_direction(seed: int):
    """About one part in a thousand of one of 81 weights."""
    case = Case(layers.Conv2D, {"filters": 3, "kernel_size": 3}, (2, 5, 5, 3))

    def spoil(gradient: np.ndarray) -> np.ndarray:
        wrong = gradient.copy()
        wrong[1, 2, 0, 1] *= 1.001
        return wrong

    report = gradcheck(plant(case.layer(), of_parameter("kernel", spoil)), case.x(), seed=seed)
    assert [row.name for row in report.rows if not row.passed] == ["kernel"]


CONVOLUTION = {"filters": 2, "kernel_size": 2}


@pytest.mark.parametrize(
    ("operation", "make", "arguments", "row"),
    [
        ("conv2d_input_gradient", layers.Conv2D, CONVOLUTION, "x"),
        ("conv2d_kernel_gradient", layers.Conv2D, CONVOLUTION, "kernel"),
        ("max_pool_backward", layers.MaxPooling2D, {}, "x"),
        ("average_pool_backward", layers.AveragePooling2D, {}, "x"),
    ],
)
def test_a_mistake_in_the_backend_is_found(monkeypatch, operation, make, arguments, row):
    backend, case = get_backend(), Case(make, arguments, (1, 4, 4, 2))
    right = getattr(backend, operation)
    monkeypatch.setattr(backend, operation, lambda *given: 1.01 * right(*given))
    report = gradcheck(case.layer(), case.x())
    assert [row.name for row in report.rows if not row.passed] == [row]


def test_assert_gradients_shows_the_report():
    case = Case(layers.Dense, {"units": 2}, (3, 2))
    wrong = plant(case.layer(), of_parameter("bias", np.negative))
    with pytest.raises(AssertionError, match=r"(?s)gradients DIFFER.*bias.*more than 1e-06"):
        assert_gradients(wrong, case.x())


class LastMaximum(layers.MaxPooling2D):
    """Ties broken the other way, by turning image and window around."""

    def forward(self, x, training=False):
        y, cache = super().forward(np.asarray(x)[:, ::-1, ::-1], training)
        return y[:, ::-1, ::-1], cache

    def backward(self, dy, cache):
        dx, grads = super().backward(np.asarray(dy)[:, ::-1, ::-1], cache)
        return dx[:, ::-1, ::-1], grads


@pytest.mark.parametrize("make", [layers.MaxPooling2D, LastMaximum])
def test_which_of_equal_maxima_wins_is_told_by_values_only(make: type[layers.MaxPooling2D]):
    """At a tie there is no derivative to compare with, so both pass the gradient check."""
    x, dy = np.ones((1, 4, 4, 1)), np.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    layer = make(2, dtype="float64")
    assert_gradients(layer, x)
    dx, _ = layer.backward(dy, layer.forward(x)[1])
    first = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]
    assert np.array_equal(dx[0, :, :, 0], first) == (make is layers.MaxPooling2D)


def test_equal_maxima_of_a_whole_image_share_the_gradient():
    """As a plain reduction's do (tf.reduce_max): Keras' global pooling is one."""
    x = np.array([[2.0, 1.0], [2.0, 0.0]]).reshape(1, 2, 2, 1)
    layer = layers.GlobalMaxPooling2D(dtype="float64")
    dx, _ = layer.backward(np.array([[3.0]]), layer.forward(x)[1])
    np.testing.assert_array_equal(dx[0, :, :, 0], [[1.5, 0], [1.5, 0]])
