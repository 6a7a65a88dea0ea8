"""Every activation and its derivative against functions of one number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.backends.calling import ACTIVATIONS, call, name_of
from tests.comparison import assert_close
from tests.strategies import Fill, batches, fills
from tinyconv.backends import base
from tinyconv.backends.base import NEED_INPUT, Activation, Backend

EVERY = pytest.mark.parametrize("activation", ACTIVATIONS, ids=name_of)
ELEMENTWISE = pytest.mark.parametrize(
    "activation", [a for a in ACTIVATIONS if a.name != "softmax"], ids=name_of
)
# Integers hit the kinks at 0, at the threshold 1 and at the maximum 2 exactly.
KINKS = fills(("normal", "ties"))


def what_is_saved(z: np.ndarray, activation: Activation) -> np.ndarray:
    return z if activation.name in NEED_INPUT else reference.activate(z, activation)


def test_every_name_of_the_contract_is_tested():
    assert sorted(base.ACTIVATIONS) == sorted({activation.name for activation in ACTIVATIONS})


@EVERY
@given(shape=batches(), with_bias=st.booleans(), fill=KINKS)
def test_activate(
    backend: Backend, dtype: str, activation: Activation, shape, with_bias: bool, fill: Fill
):
    z, bias = fill(shape, dtype), fill(shape[-1:], dtype) if with_bias else None
    y, saved = call(backend, "activate", z, bias, activation)
    total = np.float64(z) + (np.float64(bias) if with_bias else 0)
    assert_close(y, reference.activate(total, activation), dtype, scale=4)
    assert_close(saved, what_is_saved(total, activation), dtype, scale=4)


@EVERY
@pytest.mark.parametrize("with_bias", [False, True])
@given(shape=batches(), fill=KINKS)
def test_activate_may_overwrite(
    backend: Backend, dtype: str, activation: Activation, with_bias: bool, shape, fill: Fill
):
    """z may be destroyed, the bias may not, and y and saved must not get in each other's way."""
    z, bias = fill(shape, dtype), fill(shape[-1:], dtype) if with_bias else None
    total = np.float64(z) + (np.float64(bias) if with_bias else 0)
    given_bias = backend.asarray(bias.copy()) if with_bias else None
    y, saved = backend.activate(backend.asarray(z), given_bias, activation, overwrite=True)
    assert_close(backend.to_numpy(y), reference.activate(total, activation), dtype, scale=4)
    assert_close(backend.to_numpy(saved), what_is_saved(total, activation), dtype, scale=4)
    if with_bias:
        np.testing.assert_array_equal(backend.to_numpy(given_bias), bias)


@EVERY
@given(shape=batches(), with_bias=st.booleans(), fill=KINKS)
def test_activate_backward(
    backend: Backend, dtype: str, activation: Activation, shape, with_bias: bool, fill: Fill
):
    z, dy = fill(shape, dtype), fill(shape, dtype)
    saved = what_is_saved(z, activation).astype(dtype)
    dz, dbias = call(backend, "activate_backward", dy, saved, activation, with_bias)
    expected = reference.activate_backward(dy, z, activation)
    assert_close(dz, expected, dtype)
    if with_bias:
        assert_close(dbias, sum(expected.reshape(-1, shape[-1])), dtype, scale=10)
    else:
        assert dbias is None


@pytest.mark.parametrize(
    ("max_value", "threshold", "slope"), [(6.0, 0.0, 0), (6.0, 1.0, 1), (7.0, 0.0, 1)]
)
def test_only_relu6_is_flat_at_its_ceiling(
    backend: Backend, dtype: str, max_value: float, threshold: float, slope: int
):
    activation = Activation("clipped_relu", threshold=threshold, max_value=max_value)
    z, dy = np.full((1, 2), max_value, dtype), np.ones((1, 2), dtype)
    dz, _ = call(backend, "activate_backward", dy, z, activation, False)
    np.testing.assert_array_equal(dz, [[slope, slope]])


@EVERY
@pytest.mark.parametrize("z", [-1e4, -100.0, -20.0, 20.0, 100.0, 1e4])
def test_large_inputs(backend: Backend, dtype: str, activation: Activation, z: float):
    row = np.array([[z, 0.0]] if activation.name == "softmax" else [[z]], dtype)
    y, saved = call(backend, "activate", row, None, activation)
    expected = reference.activate(row, activation)
    np.testing.assert_allclose(y, expected, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-7)
    dz, _ = call(backend, "activate_backward", np.ones_like(row), saved, activation, False)
    assert_close(dz, reference.activate_backward(np.ones_like(row), row, activation), dtype)


@pytest.mark.parametrize(
    ("activation", "at_minus_infinity", "at_infinity"),
    [
        (Activation("linear"), -np.inf, np.inf),
        (Activation("relu"), 0, np.inf),
        (Activation("leaky_relu", 0.25), -np.inf, np.inf),
        (Activation("clipped_relu", max_value=6.0), 0, 6),
        (Activation("clipped_relu", 0.25, 1.0), -np.inf, np.inf),
        (Activation("sigmoid"), 0, 1),
        (Activation("tanh"), -1, 1),
        (Activation("elu", 0.5), -0.5, np.inf),
    ],
    ids=name_of,
)
def test_infinite_inputs(
    backend: Backend, dtype: str, activation: Activation, at_minus_infinity, at_infinity
):
    y, _ = call(backend, "activate", np.array([[-np.inf, np.inf]], dtype), None, activation)
    np.testing.assert_array_equal(y, [[at_minus_infinity, at_infinity]])


@ELEMENTWISE
def test_nan_stays_where_it_is(backend: Backend, dtype: str, activation: Activation):
    z = np.full((2, 3, 3, 5), 1.5, dtype)
    z[1, 2, 0, 3] = np.nan
    y, _ = call(backend, "activate", z, np.zeros(5, dtype), activation)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(z))


@ELEMENTWISE
def test_nan_comes_back_where_it_was(backend: Backend, dtype: str, activation: Activation):
    """At z = 1.5 no derivative is zero."""
    dy = np.ones((2, 3, 3, 5), dtype)
    dy[1, 2, 0, 3] = np.nan
    _, saved = call(backend, "activate", np.full(dy.shape, 1.5, dtype), None, activation)
    dz, dbias = call(backend, "activate_backward", dy, saved, activation, True)
    np.testing.assert_array_equal(np.isnan(dz), np.isnan(dy))
    np.testing.assert_array_equal(np.isnan(dbias), [False, False, False, True, False])


def test_nan_spoils_one_row_of_a_softmax(backend: Backend, dtype: str):
    z = Fill(0)((2, 3, 4), dtype)
    z[1, 1, 2] = np.nan
    softmax = Activation("softmax")
    y, _ = call(backend, "activate", z, None, softmax)
    expected = np.zeros(z.shape, bool)
    expected[1, 1] = True
    np.testing.assert_array_equal(np.isnan(y), expected)
    dz, _ = call(backend, "activate_backward", z, np.full(z.shape, 0.25, dtype), softmax, False)
    np.testing.assert_array_equal(np.isnan(dz), expected)


@EVERY
def test_non_finite_bias(backend: Backend, dtype: str, activation: Activation):
    bias = np.array([0, np.nan, 0], dtype)
    y, _ = call(backend, "activate", np.ones((2, 2, 2, 3), dtype), bias, activation)
    expected = [True] * 3 if activation.name == "softmax" else [False, True, False]
    np.testing.assert_array_equal(np.isnan(y), np.broadcast_to(expected, y.shape))
