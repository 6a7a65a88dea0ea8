"""What one step computes, and what the numbers that fit and evaluate report mean."""

import numpy as np
import pytest

import tinyconv
from tests.training.models import assert_same_weights, classifier, problem
from tinyconv import Input, Sequential, layers, losses, metrics, regularizers
from tinyconv.callbacks import Callback
from tinyconv.optimizers import SGD
from tinyconv.training import inference, step

X, Y = problem()


def cross_entropies(p, y):
    return -np.log(p[np.arange(len(y)), y])


# ---- one step -------------------------------------------------------------------


def test_one_step_is_the_update_made_by_hand():
    model, twin = classifier(SGD(0.1), "float64"), classifier(SGD(0.1), "float64")
    loss = losses.SparseCategoricalCrossentropy()
    y, cache = twin.forward(X, training=True)
    result = loss.compute(Y, y)
    _, grads = twin.backward(result.gradient, cache)
    expected = [w.numpy() - 0.1 * grads[w.path] for w in twin.weights]

    assert model.train_on_batch(X, Y)[0] == pytest.approx(result.value, rel=1e-12)
    for weight, by_hand in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_allclose(weight, by_hand, rtol=1e-10, atol=1e-12)
    assert model.optimizer.iterations == 1


def test_fit_is_a_train_on_batch_for_every_batch():
    model, twin = classifier(), classifier()
    model.fit(X, Y, 8, 2, shuffle=False, verbose=0)
    for _ in range(2):
        for start in (0, 8, 16):
            twin.train_on_batch(X[start : start + 8], Y[start : start + 8])
    assert_same_weights(model, twin)


@pytest.mark.parametrize("name", tinyconv.available_backends())
@pytest.mark.parametrize("where", ["kernel_regularizer", "bias_regularizer"])
def test_regularizers_are_in_the_loss_and_in_the_gradient(where, name):
    penalty = regularizers.L1L2(l1=0.03, l2=0.02)
    with tinyconv.use_backend(name):
        plain = classifier(SGD(0.1), "float64")
        model = classifier(SGD(0.1), "float64", **{where: penalty})
        index = 0 if where == "kernel_regularizer" else 1
        w = model.get_weights()[index]
        penalty_by_hand = 0.03 * np.abs(w).sum() + 0.02 * (w**2).sum()
        slope_by_hand = 0.03 * np.sign(w) + 2 * 0.02 * w

        assert model.evaluate(X, Y, verbose=0)[0] == pytest.approx(
            plain.evaluate(X, Y, verbose=0)[0] + penalty_by_hand
        )
        with_penalty, without = model.train_on_batch(X, Y), plain.train_on_batch(X, Y)
        assert with_penalty[0] == pytest.approx(without[0] + penalty_by_hand)
        moved = plain.get_weights()
        moved[index] = moved[index] - 0.1 * slope_by_hand
        for weight, expected in zip(model.get_weights(), moved, strict=True):
            np.testing.assert_allclose(weight, expected, rtol=1e-10, atol=1e-12)


def test_a_frozen_layer_pays_no_penalty():
    model = classifier(SGD(0.1), kernel_regularizer="l2")
    loss = model.evaluate(X, Y, verbose=0)[0]
    model.layers[0].trainable = False
    assert model.evaluate(X, Y, verbose=0)[0] < loss


def test_penalties_are_gathered_once_an_evaluation(monkeypatch):
    gathered, original = [], step.regularized

    def counted(model):
        gathered.append(original(model))
        return gathered[-1]

    for module in (step, inference):
        monkeypatch.setattr(module, "regularized", counted)
    model = classifier("sgd", "float64", kernel_regularizer="l2")
    loss, _ = model.evaluate(X, Y, batch_size=4, verbose=0)
    assert len(gathered) == 1
    assert loss == pytest.approx(model.evaluate(X, Y, batch_size=22, verbose=0)[0], rel=1e-12)


# ---- weights of samples and classes ---------------------------------------------

COUNTS = np.array([0, 1, 2, 3] * 6)[: len(X)]
REPEATED = np.repeat(np.arange(len(X)), COUNTS)
FACTORS = {0: 2.0, 2: 0.0}


@pytest.mark.parametrize(
    ("weights", "rows"),
    [
        ({"sample_weight": COUNTS}, REPEATED),
        ({"sample_weight": COUNTS[:, None]}, REPEATED),
        ({"class_weight": FACTORS}, np.repeat(np.arange(len(X)), np.array([2, 1, 0])[Y])),
        (
            {"sample_weight": COUNTS, "class_weight": FACTORS},
            np.repeat(np.arange(len(X)), COUNTS * np.array([2, 1, 0])[Y]),
        ),
    ],
    ids=["samples", "column", "classes", "both"],
)
def test_weights_repeat_and_drop_samples(weights, rows):
    # The mean is over all samples, weighted or not, so the repeated rows weigh N / N'.
    factor = len(rows) / len(X)
    model, twin = classifier(SGD(0.1), "float64"), classifier(SGD(0.1 * factor), "float64")
    loss = model.fit(X, Y, 99, shuffle=False, verbose=0, **weights).history["loss"]
    other = twin.fit(X[rows], Y[rows], 99, shuffle=False, verbose=0).history["loss"]
    assert loss[0] == pytest.approx(other[0] * factor, rel=1e-6)
    assert_same_weights(model, twin, rtol=1e-6)


def test_class_weights_know_one_hot_targets():
    model, twin = classifier(SGD(0.1)), classifier(SGD(0.1))
    twin.compile(SGD(0.1), "categorical_crossentropy")
    model.fit(X, Y, shuffle=False, verbose=0, class_weight=FACTORS)
    twin.fit(X, np.eye(3)[Y], shuffle=False, verbose=0, class_weight=FACTORS)
    assert_same_weights(model, twin, rtol=1e-6)


# ---- what is reported -----------------------------------------------------------


def test_epoch_values_are_means_over_the_samples():
    class Batches(Callback):
        def on_train_begin(self, logs=None):
            self.sizes, self.running = [], []

        def on_train_batch_end(self, batch, logs=None):
            self.running.append(logs["loss"])

    recorder, model = Batches(), classifier(SGD(0.0))
    logs = model.fit(X, Y, 8, shuffle=False, verbose=0, callbacks=recorder).history
    p = model.predict(X, verbose=0)
    by_sample = cross_entropies(p, Y)
    assert logs["loss"] == pytest.approx([by_sample.mean()], rel=1e-5)
    assert logs["accuracy"] == pytest.approx([(p.argmax(axis=1) == Y).mean()])
    expected = [by_sample[:n].mean() for n in (8, 16, 22)]
    assert recorder.running == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 22, None])
def test_evaluate_is_what_a_hand_computes(batch_size):
    model = classifier()
    weights = np.linspace(0.5, 2, len(X))
    p = model.predict(X, verbose=0)
    right = (p.argmax(axis=1) == Y).mean()
    plain = model.evaluate(X, Y, batch_size, verbose=0)
    assert plain == pytest.approx([cross_entropies(p, Y).mean(), right], rel=1e-5)
    weighted = model.evaluate(X, Y, batch_size, verbose=0, sample_weight=weights)
    assert weighted == pytest.approx([(weights * cross_entropies(p, Y)).mean(), right], rel=1e-5)
    named = model.evaluate(X, Y, batch_size, verbose=0, return_dict=True)
    assert named == dict(zip(["loss", "accuracy"], plain, strict=True))
    assert model.metrics_names == ["loss", "accuracy"]


def test_without_metrics_evaluate_returns_the_loss_alone():
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy")
    p = model.predict(X, verbose=0)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(cross_entropies(p, Y).mean(), rel=1e-5)


def test_several_metrics_by_name_class_and_object():
    model = classifier()
    top2 = metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")
    wanted = ["acc", metrics.SparseCategoricalAccuracy, top2]
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=wanted)
    p = model.predict(X, verbose=0)
    right = (p.argmax(axis=1) == Y).mean()
    among = (np.argsort(-p, axis=1)[:, :2] == Y[:, None]).any(axis=1).mean()
    results = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert list(results) == ["loss", "acc", "sparse_categorical_accuracy", "top2"]
    assert list(results.values())[1:] == pytest.approx([right, right, among])


@pytest.mark.parametrize("batch_size", [1, 7, 22, 100])
def test_predict_is_the_forward_pass_layer_by_layer(batch_size):
    model, y = classifier(), X
    for layer in model.layers:
        y = layer(y)
    predicted = model.predict(X, batch_size, verbose=0)
    np.testing.assert_allclose(predicted, y, rtol=1e-5, atol=1e-7)
    assert predicted.dtype == np.float32
    np.testing.assert_array_equal(model.predict_on_batch(X), y)


def test_dropout_and_batch_normalization_rest_in_evaluate_and_predict():
    parts = [Input((4,)), layers.BatchNormalization(), layers.Dropout(0.9), layers.Dense(3)]
    model = Sequential(parts)
    model.compile("sgd", "mse")
    before, y = model.get_weights(), np.zeros((len(X), 3))
    np.testing.assert_array_equal(model.predict(X, verbose=0), model.predict(X, verbose=0))
    assert model.evaluate(X, y, verbose=0) == model.test_on_batch(X, y)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


def test_one_batch_methods_tell_of_their_batch_alone():
    model = classifier(SGD(0.0))
    halves = [(X[:11], Y[:11]), (X[11:], Y[11:])]
    for half in halves:
        expected = model.evaluate(*half, verbose=0)
        assert model.test_on_batch(*half) == pytest.approx(expected, rel=1e-5)
        assert model.train_on_batch(*half) == pytest.approx(expected, rel=1e-5)
        told = model.train_on_batch(*half, return_dict=True)
        assert list(told.values()) == pytest.approx(expected, rel=1e-5)
