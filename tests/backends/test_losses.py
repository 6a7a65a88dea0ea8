"""Cross-entropies against the naive loops, and at the edge of what a float can hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.backends.calling import call
from tests.comparison import assert_close
from tests.strategies import Fill, fills
from tinyconv.backends.base import Backend

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))


def assert_all_close(results, expected, dtype: str, scale: float = 5) -> None:
    for result, value in zip(results, expected, strict=True):
        assert_close(result, value, dtype, scale=scale)


@pytest.mark.parametrize("labels", ["uint8", "int32", "int64"])
@given(shape=SHAPES, fill=fills())
def test_softmax_of_classes(backend: Backend, dtype: str, labels: str, shape, fill: Fill):
    classes = fill.generator.integers(0, shape[1], shape[0]).astype(labels)
    arguments = fill(shape, dtype), classes, fill(shape[:1], dtype)
    results = call(backend, "softmax_cross_entropy", *arguments)
    assert_all_close(results, reference.softmax_cross_entropy(*arguments), dtype)


@pytest.mark.parametrize("operation", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
@given(shape=SHAPES, fill=fills(), hard=st.booleans())
def test_probabilities(backend: Backend, dtype: str, operation: str, shape, fill: Fill, hard: bool):
    """Hard targets are 0 and 1; soft ones need not even sum to 1."""
    probabilities = fill.generator.random(shape)
    targets = (np.round(probabilities) if hard else probabilities).astype(dtype)
    arguments = fill(shape, dtype), targets, fill(shape[:1], dtype)
    results = call(backend, operation, *arguments)
    assert_all_close(results, getattr(reference, operation)(*arguments), dtype)


def test_a_class_is_a_one_hot_row(backend: Backend, dtype: str):
    fill = Fill(0)
    logits, weights = fill((4, 3), dtype), fill((4,), dtype)
    classes, rows = np.array([2, 0, 1, 2]), np.eye(3, dtype=dtype)[[2, 0, 1, 2]]
    by_class = call(backend, "softmax_cross_entropy", logits, classes, weights)
    by_row = call(backend, "softmax_cross_entropy", logits, rows, weights)
    assert_all_close(by_class, by_row, dtype)


@pytest.mark.parametrize("as_rows", [False, True])
def test_softmax_of_huge_logits(backend: Backend, dtype: str, as_rows: bool):
    """A logit of 1e4 overflows e^z, and the wrong class costs 2e4, not infinity."""
    logits = np.array([[1e4, -1e4, 0.0]] * 3 + [[1e4, 1e4, 1e4], [-1e4] * 3], dtype)
    classes = np.array([0, 1, 2, 1, 0])
    targets = np.eye(3, dtype=dtype)[classes] if as_rows else classes
    losses, p, dlogits = call(
        backend, "softmax_cross_entropy", logits, targets, np.full(5, 0.2, dtype)
    )
    np.testing.assert_allclose(losses, [0, 2e4, 1e4, np.log(3), np.log(3)], rtol=1e-6)
    third = [1 / 3] * 3
    np.testing.assert_allclose(p, [[1, 0, 0]] * 3 + [third, third], rtol=1e-6)
    expected = 0.2 * (np.array([[1, 0, 0]] * 3 + [third, third]) - np.eye(3)[classes])
    assert_close(dlogits, expected, dtype)


def test_sigmoid_of_huge_logits(backend: Backend, dtype: str):
    logits = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
    targets = np.array([[1, 0], [0, 1]], dtype)
    losses, p, dlogits = call(
        backend, "sigmoid_cross_entropy", logits, targets, np.full(2, 0.5, dtype)
    )
    np.testing.assert_array_equal(losses, [0, 1e4])
    np.testing.assert_array_equal(p, [[1, 0], [1, 0]])
    np.testing.assert_array_equal(dlogits, [[0, 0], [0.25, -0.25]])


def test_a_huge_logit_does_not_swallow_a_small_loss(backend: Backend, dtype: str):
    """(max - z t) cancels exactly if it is taken first: 1e4 + log 2 has lost digits of log 2."""
    logits, targets = np.array([[1e4, 0], [0, -1e4]], dtype), np.array([[1, 0], [1, 0]], dtype)
    losses, _, _ = call(backend, "sigmoid_cross_entropy", logits, targets, np.ones(2, dtype))
    np.testing.assert_allclose(losses, [np.log(2) / 2] * 2, rtol=1e-6)


def test_infinite_logits_of_masked_classes(backend: Backend, dtype: str):
    """A class with logit -inf has probability 0 and, not being the target, costs nothing."""
    logits = np.array([[0.0, -np.inf, 0.0]], dtype)
    for targets in (np.array([2]), np.array([[0, 0, 1]], dtype)):
        losses, p, dlogits = call(
            backend, "softmax_cross_entropy", logits, targets, np.ones(1, dtype)
        )
        np.testing.assert_allclose(losses, [np.log(2)], rtol=1e-6)
        np.testing.assert_array_equal(p, [[0.5, 0, 0.5]])
        np.testing.assert_array_equal(dlogits, [[0.5, 0, -0.5]])


@pytest.mark.parametrize("operation", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_nan_spoils_its_own_sample_only(backend: Backend, dtype: str, operation: str):
    logits = Fill(0)((4, 3), dtype)
    logits[2, 1] = np.nan
    targets = np.eye(3, dtype=dtype)[[0, 1, 2, 0]]
    targets[2] = 0  # not even if nothing in the sample has a weight is its loss 0
    losses, p, dlogits = call(backend, operation, logits, targets, np.ones(4, dtype))
    np.testing.assert_array_equal(np.isnan(losses), [False, False, True, False])
    spoiled = np.isnan(logits)
    if operation.startswith("softmax"):
        spoiled[2] = True
    np.testing.assert_array_equal(np.isnan(p), spoiled)
    np.testing.assert_array_equal(np.isnan(dlogits), spoiled)


def test_nan_spoils_the_loss_of_a_class_too(backend: Backend, dtype: str):
    logits = np.array([[0.0, np.nan], [0.0, 1.0]], dtype)
    losses, _, _ = call(
        backend, "softmax_cross_entropy", logits, np.array([0, 0]), np.ones(2, dtype)
    )
    np.testing.assert_array_equal(np.isnan(losses), [True, False])


@pytest.mark.parametrize("operation", ["softmax_cross_entropy", "sigmoid_cross_entropy"])
def test_weights_leave_losses_and_probabilities_alone(backend: Backend, dtype: str, operation: str):
    fill = Fill(0)
    logits, targets = fill((3, 4), dtype), np.abs(fill((3, 4), dtype))
    plain = call(backend, operation, logits, targets, np.ones(3, dtype))
    weighted = call(backend, operation, logits, targets, np.array([0.0, 0.5, 2.0], dtype))
    np.testing.assert_array_equal(weighted[0], plain[0])
    np.testing.assert_array_equal(weighted[1], plain[1])
    assert_close(weighted[2], plain[2] * np.array([[0.0], [0.5], [2.0]]), dtype)
