"""The metrics against Keras' own."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

import tinyconv  # noqa: E402
from tinyconv import Input, Sequential, layers, losses, metrics  # noqa: E402

RNG = np.random.default_rng(0)
N, K = 40, 7
P = RNG.random((N, K)).astype("float32")
TIED = (RNG.integers(0, 3, (N, K)) / 4).astype("float32")
LABELS = RNG.integers(0, K, N)
ONE_HOT = np.eye(K, dtype="float32")[LABELS]
BITS = RNG.integers(0, 2, (N, 1)).astype("float32")
MANY_BITS = RNG.integers(0, 2, (N, K)).astype("float32")
WEIGHTS = RNG.random(N).astype("float32")
PIXELS, PIXEL_LABELS = P[:36].reshape(3, 3, 4, K), LABELS[:36].reshape(3, 3, 4)

SPARSE, TOP = "SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy"
CASES = {
    "sparse": (SPARSE, {}, LABELS, P),
    "sparse (N, 1)": (SPARSE, {}, LABELS[:, None], P),
    "sparse, ties": (SPARSE, {}, LABELS, TIED),
    "sparse, pixels": (SPARSE, {}, PIXEL_LABELS, PIXELS),
    "categorical": ("CategoricalAccuracy", {}, ONE_HOT, P),
    "categorical, ties": ("CategoricalAccuracy", {}, ONE_HOT, TIED),
    "binary": ("BinaryAccuracy", {}, BITS, P[:, :1]),
    "binary, (N,)": ("BinaryAccuracy", {}, BITS[:, 0], P[:, :1]),
    "binary, several": ("BinaryAccuracy", {}, MANY_BITS, P),
    "binary, at the threshold": ("BinaryAccuracy", {}, BITS, TIED[:, :1]),
    "binary, other threshold": ("BinaryAccuracy", {"threshold": 0.25}, BITS, TIED[:, :1]),
    "top 5": (TOP, {}, LABELS, P),
    "top 2": (TOP, {"k": 2}, LABELS, P),
    "top 2 (N, 1)": (TOP, {"k": 2}, LABELS[:, None], P),
    "top 2, ties": (TOP, {"k": 2}, LABELS, TIED),
    "top 99": (TOP, {"k": 99}, LABELS, P),
    "top 3, one-hot": ("TopKCategoricalAccuracy", {"k": 3}, ONE_HOT, P),
    "top 3, one-hot, ties": ("TopKCategoricalAccuracy", {"k": 3}, ONE_HOT, TIED),
    "squares": ("MeanSquaredError", {}, MANY_BITS, P),
}


def both(case):
    cls, arguments, y, p = CASES[case]
    return getattr(metrics, cls)(**arguments), getattr(keras.metrics, cls)(**arguments), y, p


@pytest.mark.parametrize("case", CASES)
def test_value_is_keras_value(case):
    mine, other, y, p = both(case)
    assert mine.result() == float(other.result()) == 0
    for part in (slice(0, 5), slice(5, 6), slice(6, None)):
        mine.update_state(y[part], p[part])
        other.update_state(y[part], p[part])
        assert mine.result() == pytest.approx(float(other.result()), rel=1e-6)
    assert 0 < mine.result() <= 1
    mine.reset_state()
    assert mine.result() == 0
    assert mine(y, p) == pytest.approx(float(other(y, p)), rel=1e-6)
    assert mine.name == other.name


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("weights", [WEIGHTS, (WEIGHTS > 0.5) * 1.0, np.zeros(N)])
def test_weighted_value_is_keras_value(case, weights):
    mine, other, y, p = both(case)
    weights = weights[: len(y)]
    if p.ndim == 4:  # Keras spreads weights over the last axes: it wants all of them
        weights = np.broadcast_to(weights[:, None, None], y.shape)
    for part in (slice(0, 2), slice(2, None)):
        mine.update_state(y[part], p[part], weights[part])
        other.update_state(y[part], p[part], weights[part])
    assert mine.result() == pytest.approx(float(other.result()), rel=1e-5)


def test_a_weight_of_a_sample_holds_for_all_its_pixels():
    mine, spread = metrics.SparseCategoricalAccuracy(), metrics.SparseCategoricalAccuracy()
    mine.update_state(PIXEL_LABELS, PIXELS, WEIGHTS[:3])
    spread.update_state(PIXEL_LABELS, PIXELS, np.broadcast_to(WEIGHTS[:3, None, None], (3, 3, 4)))
    assert mine.result() == pytest.approx(spread.result())


def test_mean_weighs_its_values():
    mine, other = metrics.Mean("loss"), keras.metrics.Mean("loss")
    for value, weight in ((3.0, 8), (5.0, 2), (0.5, 1)):
        mine.update_state(value, weight)
        other.update_state(value, sample_weight=weight)
    assert mine.result() == pytest.approx(float(other.result())) == pytest.approx(34.5 / 11)
    assert metrics.Mean()([1.0, 2.0, 6.0]) == 3
    assert metrics.Mean()([1.0, 6.0], sample_weight=[4, 1]) == 2


@pytest.mark.parametrize("word", ["accuracy", "acc"])
@pytest.mark.parametrize(
    ("loss", "outputs", "expected"),
    [
        ("sparse_categorical_crossentropy", 10, metrics.SparseCategoricalAccuracy),
        ("categorical_crossentropy", 10, metrics.CategoricalAccuracy),
        ("binary_crossentropy", 1, metrics.BinaryAccuracy),
        ("binary_crossentropy", 4, metrics.CategoricalAccuracy),
        ("mse", 1, metrics.BinaryAccuracy),
        ("mse", 3, metrics.CategoricalAccuracy),
    ],
)
def test_accuracy_means_the_one_that_fits(word, loss, outputs, expected):
    metric = metrics.get(word, losses.get(loss), outputs)
    assert type(metric) is expected
    assert metric.name == word


@pytest.mark.parametrize(
    ("loss", "y", "outputs", "activation"),
    [
        ("sparse_categorical_crossentropy", LABELS, K, "softmax"),
        ("sparse_categorical_crossentropy", LABELS[:, None], K, "softmax"),
        ("categorical_crossentropy", ONE_HOT, K, "softmax"),
        ("binary_crossentropy", BITS, 1, "sigmoid"),
        ("binary_crossentropy", BITS[:, 0], 1, "sigmoid"),
    ],
)
def test_accuracy_of_a_model_is_that_of_keras(loss, y, outputs, activation):
    results = []
    weights = [RNG.standard_normal((K, outputs)), RNG.standard_normal(outputs)]
    for lib in (tinyconv, keras):
        model = lib.Sequential([lib.Input((K,)), lib.layers.Dense(outputs, activation=activation)])
        model.set_weights(weights)
        model.compile("sgd", loss, metrics=["accuracy"])
        results.append(model.evaluate(P, y, batch_size=16, verbose=0, return_dict=True))
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    assert list(results[0]) == ["loss", "accuracy"]


@pytest.mark.parametrize(
    ("identifier", "cls"),
    [
        ("mse", metrics.MeanSquaredError),
        ("sparse_categorical_accuracy", metrics.SparseCategoricalAccuracy),
        ("SparseCategoricalAccuracy", metrics.SparseCategoricalAccuracy),
        (metrics.BinaryAccuracy, metrics.BinaryAccuracy),
    ],
)
def test_get_takes_names_and_classes(identifier, cls):
    metric = metrics.get(identifier)
    assert type(metric) is cls
    if isinstance(identifier, str):
        assert metric.name == identifier
    assert metrics.get(metric) is metric


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("mae", ValueError, r"unknown name 'mae'\. Known: acc"),
        ("acuracy", ValueError, "'acuracy'.*Did you mean 'accuracy'"),
        (5, TypeError, "metric.*5"),
        (max, TypeError, "metrics must be .*max"),
    ],
)
def test_get_refuses_anything_else(identifier, error, message):
    with pytest.raises(error, match=message):
        metrics.get(identifier)


def test_threshold_must_be_between_0_and_1():
    with pytest.raises(ValueError, match=r"threshold must be between 0 and 1.*1\.5"):
        metrics.BinaryAccuracy(threshold=1.5)


@pytest.mark.parametrize("name", ["mse", "binary_accuracy", "categorical_accuracy"])
def test_integer_labels_that_do_not_fit_are_told_before_training(name):
    model = Sequential([Input((4,)), layers.Dense(10, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[name])
    message = rf"metric '{name}': expected .*\(6, 10\)\. Received: shape \(6,\)\..*'accuracy'"
    with pytest.raises(ValueError, match=message):
        model.fit(np.zeros((6, 4)), np.zeros(6, int), verbose=0)
    assert model.optimizer.iterations == 0
    with pytest.raises(ValueError, match=message):
        metrics.get(name)(np.zeros(6, int), np.zeros((6, 10)))
