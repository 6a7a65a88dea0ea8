"""The value of every loss against its formula, whatever the shapes, weights and reduction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.losses.formulas import CROSSENTROPIES, KINDS, Kind, sigmoid, softmax
from tests.strategies import LAYOUTS, lay_out
from tinyconv import losses

EVERY = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
CROSSENTROPY = pytest.mark.parametrize("kind", CROSSENTROPIES.values(), ids=CROSSENTROPIES)
SHAPES = st.one_of(
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.tuples(*(st.integers(1, 3) for _ in range(4))),
)
SEEDS = st.integers(0, 2**16)


def close(actual, expected, dtype="float64") -> bool:
    tolerance = 2e-6 if dtype == "float32" else 1e-12
    return actual == pytest.approx(expected, rel=tolerance, abs=tolerance)


def test_every_exported_loss_has_a_formula():
    classes = {getattr(losses, name) for name in losses.__all__}
    found = {c for c in classes if isinstance(c, type) and issubclass(c, losses.Loss)}
    assert found - {losses.Loss} == {kind.make for kind in KINDS.values()}


@EVERY
@settings(max_examples=30)
@given(
    shape=SHAPES,
    seed=SEEDS,
    logits=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    dtype=st.sampled_from(["float32", "float64"]),
    reduction=st.sampled_from(["sum_over_batch_size", "mean", "sum", "none", None]),
    weighted=st.booleans(),
    layout=st.sampled_from(LAYOUTS),
)
def test_value(kind: Kind, shape, seed, logits, smoothing, dtype, reduction, weighted, layout):
    generator = np.random.default_rng(seed)
    logits = logits and kind.activate is not None
    arguments = {"from_logits": True} if logits else {}
    if kind.smoothed:
        arguments["label_smoothing"] = smoothing
    y_true = lay_out(kind.targets(shape, generator), layout)
    y_pred = lay_out(kind.predictions(shape, generator, logits).astype(dtype), layout)
    given_arrays = y_true.copy(), y_pred.copy()
    weights = generator.random(shape[0]) if weighted else None
    result = kind.make(reduction=reduction, **arguments).compute(y_true, y_pred, weights)
    samples = kind.samples(y_true, y_pred, logits, smoothing if kind.smoothed else 0.0)
    if weighted:
        samples = samples * weights.reshape(-1, *[1] * (samples.ndim - 1))
    if reduction in ("none", None):
        assert result.value.dtype == dtype
        assert close(result.value, samples, dtype)
    else:
        count = 1 if reduction == "sum" else samples.size
        assert isinstance(result.value, float)
        assert close(result.value, samples.sum() / count, dtype)
    assert (result.gradient.shape, result.gradient.dtype) == (shape, dtype)
    np.testing.assert_array_equal(result.predictions, y_pred)
    np.testing.assert_array_equal(y_true, given_arrays[0], "the targets were changed")
    np.testing.assert_array_equal(y_pred, given_arrays[1], "the predictions were changed")


@CROSSENTROPY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fused_is_what_the_two_steps_give(kind: Kind, dtype: str):
    """The same loss and predictions, and the chain rule through the activation for a gradient."""
    generator = np.random.default_rng(0)
    shape = (2, 3, 4)
    y_true, logits = kind.targets(shape, generator), kind.predictions(shape, generator, True)
    weights = generator.random(2)
    loss = kind.make()
    fused = loss.compute(y_true, logits.astype(dtype), weights, from_logits=True)
    p = np.array([[kind.activate(row.tolist()) for row in image] for image in logits])
    apart = loss.compute(y_true, p, weights)
    assert close(fused.value, apart.value, dtype)
    assert close(fused.predictions, p, dtype)
    dz = apart.gradient * p
    if kind.activate is softmax:
        dz -= p * dz.sum(axis=-1, keepdims=True)
    else:
        dz -= apart.gradient * p * p
    assert close(fused.gradient, dz, dtype)
    from_logits = kind.make(from_logits=True).compute(y_true, logits.astype(dtype), weights)
    assert close(from_logits.value, fused.value, dtype)
    assert close(from_logits.gradient, fused.gradient, dtype)


@CROSSENTROPY
@pytest.mark.parametrize("label", [0, 1])
def test_probabilities_of_exactly_0_and_1(kind: Kind, label: int):
    """-log(1e-7) = 16.118... for a certain mistake, 1e-7 for being right; no slope beyond."""
    y_true = np.array([label]) if kind.make is KINDS["sparse"].make else np.eye(2)[[label]]
    result = kind.make().compute(y_true, np.array([[1.0, 0.0]]))
    assert result.value == pytest.approx(1e-7 if label == 0 else -np.log(1e-7), rel=1e-6)
    np.testing.assert_array_equal(result.gradient, np.zeros((1, 2)))


@CROSSENTROPY
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("fused", [False, True])
def test_logits_of_ten_thousand(kind: Kind, dtype: str, fused: bool):
    y_true = np.array([0, 1]) if kind.make is KINDS["sparse"].make else np.eye(2)
    logits = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
    loss = kind.make(from_logits=not fused, reduction=None)
    result = loss.compute(y_true, logits, from_logits=fused)
    wrong = 2e4 if kind.activate is softmax else 1e4
    np.testing.assert_array_equal(result.value, [0, wrong])
    half = 1 if kind.activate is softmax else 0.5
    np.testing.assert_array_equal(result.gradient, [[0, 0], [half, -half]])


@pytest.mark.parametrize("reduction", ["sum", "mean", None])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "bool"])
def test_labels_of_both_shapes_and_every_integer(reduction, dtype: str):
    generator = np.random.default_rng(0)
    p, labels = generator.uniform(0.1, 0.9, (4, 2)), np.array([1, 0, 0, 1], dtype)
    loss = losses.SparseCategoricalCrossentropy(reduction=reduction)
    flat, column = loss.compute(labels, p), loss.compute(labels[:, None], p)
    samples = KINDS["sparse"].samples(labels, p)
    wanted = {"sum": samples.sum(), "mean": samples.mean(), None: samples}[reduction]
    for result in (flat, column):
        assert close(result.value, wanted)
    np.testing.assert_array_equal(flat.gradient, column.gradient)
    fused = [loss.compute(y, p, from_logits=True) for y in (labels, labels[:, None])]
    np.testing.assert_array_equal(fused[0].gradient, fused[1].gradient)
    assert close(fused[0].predictions, np.array([softmax(row) for row in p.tolist()]))


def test_sparse_labels_are_one_hot_targets():
    generator = np.random.default_rng(0)
    logits, labels = generator.standard_normal((2, 3, 4)), generator.integers(0, 4, (2, 3))
    by_label = losses.SparseCategoricalCrossentropy(from_logits=True).compute(labels, logits)
    one_hot = np.eye(4)[labels]
    by_row = losses.CategoricalCrossentropy(from_logits=True).compute(one_hot, logits)
    assert close(by_label.value, by_row.value)
    assert close(by_label.gradient, by_row.gradient)


@pytest.mark.parametrize("name", ["mse", "binary"])
def test_targets_without_the_last_axis_of_one(name: str):
    kind, generator = KINDS[name], np.random.default_rng(0)
    y_true, y_pred = generator.random(5), generator.uniform(0.1, 0.9, (5, 1))
    with_axis, without = (kind.make().compute(y, y_pred) for y in (y_true[:, None], y_true))
    assert without.value == with_axis.value
    np.testing.assert_array_equal(without.gradient, with_axis.gradient)


@pytest.mark.parametrize("name", ["mse", "binary", "categorical"])
def test_vectors_are_one_sample(name: str):
    """As Keras' own examples call its losses: loss([0, 1, 0], [0.1, 0.8, 0.1])."""
    kind, generator = KINDS[name], np.random.default_rng(0)
    y_true, y_pred = kind.targets((1, 4), generator), kind.predictions((1, 4), generator)
    row, vector = (kind.make().compute(t, p) for t, p in ((y_true, y_pred), (y_true[0], y_pred[0])))
    assert vector.value == pytest.approx(kind.samples(y_true, y_pred)[0])
    np.testing.assert_array_equal(vector.gradient, row.gradient[0])


@pytest.mark.parametrize(
    ("shape", "weights"),
    [
        ((3, 4), [0.0, 1.0, 2.5]),
        ((3, 4), [[0.0], [1.0], [2.5]]),
        ((3, 2, 4), [0.0, 1.0, 2.5]),
        ((3, 2, 4), [[0.0, 1.0], [2.0, 3.0], [4.0, 0.5]]),
        ((3, 2, 4), [[[0.0], [1.0]], [[2.0], [3.0]], [[4.0], [0.5]]]),
        ((3, 2, 4), [[2.0], [3.0], [0.5]]),
        ((2, 3, 2, 4), [[[1.0, 2.0]], [[3.0, 0.5]]]),
        ((3, 4), 2.0),
    ],
    ids=[
        "(N,)",
        "(N, 1)",
        "(N,) of rank 3",
        "(N, H)",
        "(N, H, 1)",
        "(N, 1) of rank 3",
        "(N, 1, W)",
        "a number",
    ],
)
def test_shapes_of_sample_weights(shape, weights):
    kind, generator = KINDS["mse"], np.random.default_rng(0)
    y_true, y_pred = kind.targets(shape, generator), kind.predictions(shape, generator)
    samples = kind.samples(y_true, y_pred)
    array = np.array(weights)
    if array.ndim > samples.ndim:
        array = array[..., 0]
    while 0 < array.ndim < samples.ndim:
        array = array[..., None]
    result = kind.make().compute(y_true, y_pred, weights)
    assert close(result.value, (samples * array).sum() / samples.size)
    plain = kind.make().compute(y_true, y_pred)
    assert close(result.gradient, plain.gradient * np.broadcast_to(array, samples.shape)[..., None])


@EVERY
def test_a_batch_of_nothing(kind: Kind):
    """Its loss is 0, not 0 / 0."""
    generator = np.random.default_rng(0)
    y_true, y_pred = kind.targets((1, 3), generator)[:0], np.zeros((0, 3))
    result = kind.make().compute(y_true, y_pred)
    assert (result.value, result.gradient.shape) == (0.0, (0, 3))


def test_integer_predictions_become_float32():
    result = losses.MeanSquaredError().compute([[1.0, 2.0]], [[2, 4]])
    assert result.value == 2.5
    assert result.gradient.dtype == "float32"


def test_calling_a_loss_gives_its_value():
    assert losses.MeanSquaredError()([[1.0, 2.0]], [[2.0, 4.0]]) == 2.5
    assert losses.MeanSquaredError(reduction="sum")([[1.0], [2.0]], [[2.0], [4.0]], [1, 2]) == 9
    p = sigmoid([0.3])
    assert close(losses.BinaryCrossentropy()([[1.0]], [p]), -np.log(p[0]))
