"""What weights of samples and classes change, and what they must leave alone."""

import numpy as np
import pytest

from tests.training.models import assert_same_weights, classifier, problem
from tinyconv import Input, Sequential, layers

X, Y = problem()


def test_class_weights_do_not_reach_the_validation_split():
    model, heavy = classifier("sgd"), classifier("sgd")
    plain = model.fit(X, Y, epochs=1, validation_split=0.5, shuffle=False, verbose=0).history
    scaled = heavy.fit(
        X, Y, epochs=1, validation_split=0.5, shuffle=False, verbose=0,
        class_weight={0: 10.0, 1: 10.0, 2: 10.0},
    ).history  # fmt: skip
    assert scaled["loss"][0] == pytest.approx(10 * plain["loss"][0], rel=1e-5)
    evaluated = heavy.evaluate(X[11:], Y[11:], verbose=0, return_dict=True)
    assert scaled["val_loss"][0] == pytest.approx(evaluated["loss"], rel=1e-5)


def test_sample_weights_do_reach_it():
    model = classifier("sgd")
    weights = np.linspace(0.5, 3, len(X))
    history = model.fit(
        X, Y, validation_split=0.5, sample_weight=weights, shuffle=False, verbose=0
    ).history
    evaluated = model.evaluate(
        X[11:], Y[11:], sample_weight=weights[11:], verbose=0, return_dict=True
    )
    assert history["val_loss"][0] == pytest.approx(evaluated["loss"], rel=1e-5)


def test_sample_weights_of_a_wrong_shape_change_nothing():
    model = Sequential(
        [Input((4,)), layers.BatchNormalization(), layers.Dense(3, activation="softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"sample weights of shape \(22,\). Received: .*\(22, 2\)"):
        model.fit(X, Y, sample_weight=np.ones((22, 2)), verbose=0)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("units", "activation", "loss", "labels"),
    [
        (3, "softmax", "SparseCategoricalCrossentropy", Y),
        (1, "sigmoid", "BinaryCrossentropy", Y > 0),
    ],
)
def test_logits_are_taken_before_the_activation_when_the_loss_asks_for_them(
    units, activation, loss, labels
):
    """As in Keras: the softmax is not applied twice, and a warning says so."""
    from tinyconv import losses

    def network(last, from_logits):
        model = Sequential([Input((4,)), layers.Dense(units, activation=last)])
        rng = np.random.default_rng(0)
        model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
        model.compile("sgd", getattr(losses, loss)(from_logits=from_logits))
        return model

    with pytest.warns(UserWarning, match=f"from_logits=True.*{activation}"):
        asked = network(activation, from_logits=True)
    models = [asked, network(activation, from_logits=False), network(None, from_logits=True)]
    results = [model.evaluate(X, labels, verbose=0) for model in models]
    assert results == pytest.approx([results[0]] * 3)
    for model in models:
        model.fit(X, labels, shuffle=False, verbose=0)
    assert_same_weights(asked, models[1])
    assert_same_weights(asked, models[2], rtol=1e-6)


PICTURES = np.random.default_rng(1).random((6, 4, 5, 3)).astype("float32")


@pytest.mark.parametrize(
    "shape", [(6,), (6, 1), (6, 1, 1), (6, 4, 1), (6, 1, 5), (6, 4, 5), (6, 4, 5, 1)]
)
def test_weights_of_pixels_hold_along_axes_of_one(shape):
    model = Sequential([Input((4, 5, 3)), layers.Dense(2)])
    model.compile("sgd", "mse", weighted_metrics=["mse"])
    y = np.zeros((6, 4, 5, 2))
    weights = np.random.default_rng(2).random(shape)
    full = weights[..., 0] if len(shape) == 4 else weights.reshape(*shape, *[1] * (3 - len(shape)))
    squares = np.square(model.predict(PICTURES, verbose=0)).mean(axis=-1)
    expected = [
        (squares * full).mean(),
        np.average(squares, weights=np.broadcast_to(full, (6, 4, 5))),
    ]
    assert model.evaluate(PICTURES, y, sample_weight=weights, verbose=0) == pytest.approx(
        expected, rel=1e-5
    )


def test_weighted_metrics_count_a_column_of_weights():
    model, twin = classifier(), classifier()
    weights = np.linspace(0, 2, len(X))
    results = []
    for each, given in ((model, weights), (twin, weights[:, None])):
        each.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
        results.append(each.evaluate(X, Y, sample_weight=given, verbose=0))
    right = model.predict(X, verbose=0).argmax(axis=1) == Y
    assert results[0] == results[1]
    assert results[0][1] == pytest.approx(np.average(right, weights=weights))
