"""The measure itself: what it calls equal, and what not."""

import math

import numpy as np
import pytest

from parity.compare import errors, relative_error

ONES = np.ones((2, 3))


def test_relative_to_the_largest_value():
    expected = np.array([1000.0, 1.0])
    assert relative_error(np.array([1000.0, 2.0]), expected) == pytest.approx(1e-3)


def test_equal_zeros():
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.full(3, 1e-12), np.zeros(3)) == pytest.approx(1)


def test_scale_of_what_cancelled():
    assert relative_error(np.array([2e-9]), np.array([1e-9]), scale=10) == pytest.approx(1e-10)


@pytest.mark.parametrize(
    "actual",
    [
        ONES[0],
        ONES.reshape(3, 2),
        np.where(np.eye(2, 3), np.nan, 1.0),
        np.where(np.eye(2, 3), np.inf, 1.0),
    ],
    ids=["fewer axes", "other shape", "NaN", "infinity"],
)
def test_what_cannot_be_compared(actual: np.ndarray):
    assert math.isinf(relative_error(actual, ONES))


def test_nan_and_infinity_in_the_same_places():
    values = np.array([np.nan, np.inf, -np.inf, 1.0])
    assert relative_error(values, values) == 0
    assert math.isinf(relative_error(-values, values))


def test_words_and_integers_are_equal_or_not():
    assert relative_error(np.array(["a", "b"]), np.array(["a", "b"])) == 0
    assert math.isinf(relative_error(np.array(["b", "a"]), np.array(["a", "b"])))
    assert math.isinf(relative_error(np.array([1, 2]), np.array([1, 3])))


def test_a_result_that_one_side_lacks():
    found = errors({"output": ONES, "dx": ONES}, {"output": ONES, "kernel": ONES}, {})
    assert found == {"output": 0, "kernel": math.inf, "dx": math.inf}
