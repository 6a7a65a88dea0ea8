"""Penalties: their value, their gradient, their names."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyconv import regularizers
from tinyconv.regularizers import L1, L1L2, L2

FACTORS = st.floats(0, 2)
EVERY = [L1(0.3), L2(0.7), L1L2(0.3, 0.7), L1L2()]
IDS = ["L1", "L2", "L1L2", "nothing"]


@given(l1=FACTORS, l2=FACTORS, w=st.lists(st.floats(-5, 5), max_size=6))
def test_value_and_gradient(l1: float, l2: float, w: list[float]):
    penalty = L1L2(l1, l2)
    expected = sum(l1 * abs(v) + l2 * v * v for v in w)
    assert penalty(np.array(w)) == pytest.approx(expected)
    slopes = [l1 * (math.copysign(1, v) if v else 0) + 2 * l2 * v for v in w]
    assert penalty.gradient(np.array(w)) == pytest.approx(slopes)


@pytest.mark.parametrize("penalty", EVERY, ids=IDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_is_the_slope_of_the_value(penalty: L1L2, dtype: str):
    """Away from 0, where |w| has none."""
    w = np.array([[1.5, -0.25], [3.0, -2.0]], dtype)
    gradient = penalty.gradient(w)
    assert (gradient.shape, gradient.dtype) == (w.shape, dtype)
    for index in np.ndindex(w.shape):
        step = np.zeros(w.shape)
        step[index] = 1e-4
        numeric = (penalty(w + step) - penalty(w - step)) / 2e-4
        assert gradient[index] == pytest.approx(numeric, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("penalty", EVERY, ids=IDS)
def test_the_weights_are_not_changed(penalty: L1L2):
    w = np.array([1.0, -2.0])
    penalty.gradient(w)
    assert isinstance(penalty(w), float)
    np.testing.assert_array_equal(w, [1, -2])


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("l1", (0.01, 0)),
        ("l2", (0, 0.01)),
        ("L1", (0.01, 0)),
        ("L2", (0, 0.01)),
        ("l1_l2", (0, 0)),
        ("L1L2", (0, 0)),
        (L2, (0, 0.01)),
        (L2(0.5), (0, 0.5)),
        (regularizers.l1(0.5), (0.5, 0)),
        (regularizers.l2(), (0, 0.01)),
        (regularizers.l1_l2(), (0.01, 0.01)),
        (regularizers.l1_l2(0.1, 0.2), (0.1, 0.2)),
        ({"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}}, (0.1, 0.2)),
        ({"class_name": "L2", "config": {"l2": 0.5}}, (0, 0.5)),
    ],
)
def test_get(identifier, expected: tuple[float, float]):
    penalty = regularizers.get(identifier)
    assert (penalty.l1, penalty.l2) == expected


def test_get_none_is_none():
    assert regularizers.get(None) is None


@pytest.mark.parametrize("penalty", EVERY, ids=IDS)
def test_a_configuration_makes_the_same_penalty(penalty: L1L2):
    twin = type(penalty)(**penalty.get_config())
    assert (twin.l1, twin.l2) == (penalty.l1, penalty.l2)


@pytest.mark.parametrize(
    "make", [lambda: L1(-0.1), lambda: L2(-0.1), lambda: L1L2(0.1, -0.1), lambda: L1L2(math.nan, 0)]
)
def test_factors_must_not_be_negative(make):
    with pytest.raises(ValueError, match=r"l1 and l2 must not be negative. Received: l1="):
        make()


def test_unknown_names():
    with pytest.raises(ValueError, match=r"unknown name 'l3'.*Known: .*l1_l2"):
        regularizers.get("l3")
