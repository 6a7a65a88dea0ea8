"""gradcheck with targets: the gradients that training takes."""

import numpy as np
import pytest

from tests.layers.planted import of_parameter, plant
from tinyconv import Input, Model, Sequential, backends, gradcheck, layers, random

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 5, 5, 2)), np.array([0, 1, 2, 2, 1, 0])


def network(**penalty) -> Sequential:
    random.set_seed(3)
    made = [
        layers.Conv2D(3, 2, activation="tanh", name="conv", dtype="float64", **penalty),
        layers.BatchNormalization(name="norm", dtype="float64"),
        layers.ReLU(dtype="float64"),
        layers.MaxPooling2D(2, dtype="float64"),
        layers.Flatten(dtype="float64"),
        layers.Dropout(0.25, dtype="float64"),
        layers.Dense(3, "softmax", name="head", dtype="float64"),
    ]
    model = Sequential(made, name="net")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_every_trained_parameter_has_a_row(backend: str):
    with backends.use_backend(backend):
        report = gradcheck(network(), X, Y)
    assert report.passed, str(report)
    assert report.subject == "Sequential 'net', loss SparseCategoricalCrossentropy"
    assert [row.name for row in report.rows] == [
        "conv/kernel", "conv/bias", "norm/gamma", "norm/beta", "head/kernel", "head/bias",
    ]  # fmt: skip
    assert all(abs(row.numeric) > 1e-4 for row in report.rows)


def test_frozen_layers_have_none():
    model = network()
    model.layers[0].trainable = False
    names = [row.name.split("/")[0] for row in gradcheck(model, X, Y).rows]
    assert names == ["norm", "norm", "head", "head"]


def test_the_penalties_count():
    plain, penalised = gradcheck(network(), X, Y), gradcheck(network(kernel_regularizer="l2"), X, Y)
    assert penalised.passed, str(penalised)
    changed = [a.analytic != b.analytic for a, b in zip(plain.rows, penalised.rows, strict=True)]
    assert changed == [True, False, False, False, False, False]


def test_a_forgotten_penalty_is_found(monkeypatch):
    from tinyconv.regularizers import L1L2

    monkeypatch.setattr(L1L2, "gradient", lambda self, w: 0 * w)
    report = gradcheck(network(kernel_regularizer="l2"), X, Y)
    assert [row.name for row in report.rows if not row.passed] == ["conv/kernel"]


def test_a_wrong_layer_inside_is_found():
    wrong = plant(layers.Dense(4, dtype="float64", name="wrong"), of_parameter("bias", np.negative))
    below, above = (layers.Dense(3, "tanh", dtype="float64") for _ in range(2))
    model = Sequential([layers.Flatten(dtype="float64"), below, wrong, above])
    model.compile("sgd", "mse")
    report = gradcheck(model, X, np.eye(3)[Y])
    assert [row.name for row in report.rows if not row.passed] == ["wrong/bias"]
    assert "wrong/bias" in str(report)
    assert "WRONG, more than 1e-06" in str(report)


def test_after_training_and_left_as_it_was():
    model = network()
    model.fit(X, Y, epochs=2, verbose=0)
    before, slots = model.get_weights(), {k: v.copy() for k, v in model.optimizer.slots.items()}
    state = random.generator().bit_generator.state
    assert gradcheck(model, X, Y).passed
    assert gradcheck(model, X).passed
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    for name, slot in model.optimizer.slots.items():
        np.testing.assert_array_equal(slot, slots[name])
    assert random.generator().bit_generator.state == state
    again = model.fit(X, Y, verbose=0)
    assert np.isfinite(again.history["loss"]).all()


def test_several_inputs_and_outputs():
    left, right = (Input((4,), dtype="float64", name=name) for name in ("left", "right"))
    shared = layers.Dense(2, "tanh", name="shared", dtype="float64")
    a, b = shared(left), shared(right)
    model = Model([left, right], [a, layers.Add(dtype="float64")([a, b])])
    model.compile("sgd", "mse", loss_weights=[1.0, 0.5])
    x = {"left": RNG.standard_normal((3, 4)), "right": RNG.standard_normal((3, 4))}
    report = gradcheck(model, x, [RNG.standard_normal((3, 2)), RNG.standard_normal((3, 2))])
    assert report.passed, str(report)
    assert [row.name for row in report.rows] == ["shared/kernel", "shared/bias"]


def test_a_model_without_a_loss():
    model = Sequential([layers.Flatten(dtype="float64"), layers.Dense(3, dtype="float64")])
    with pytest.raises(RuntimeError, match=r"call compile.* before gradcheck with targets y"):
        gradcheck(model, X, Y)


def test_targets_for_a_layer():
    with pytest.raises(ValueError, match=r"Dense 'd': targets y are for a model.*Received: Dense"):
        gradcheck(layers.Dense(3, name="d", dtype="float64"), np.ones((2, 3)), np.ones((2, 3)))


def test_targets_in_inference():
    with pytest.raises(ValueError, match="training=False"):
        gradcheck(network(), X, Y, training=False)


def test_targets_that_do_not_fit():
    with pytest.raises(ValueError, match=r"the same length\. Received: 6 and 5"):
        gradcheck(network(), X, Y[:5])


def test_nothing_to_train():
    model = network()
    model.trainable = False
    with pytest.raises(ValueError, match="no layer is trainable"):
        gradcheck(model, X, Y)


def test_a_parameter_called_x():
    class Shift(layers.Layer):
        def build(self, input_shape):
            self.add_weight("x", (input_shape[-1],), "ones")

        def forward(self, x, training=False):
            x = self.prepare(x)
            return x + self.params["x"], layers.Cache(self, x.shape)

        def backward(self, dy, cache):
            return dy, {"x": -dy.sum(axis=0)}

    rows = gradcheck(Shift(dtype="float64"), np.ones((2, 3))).rows
    assert [(row.name, row.passed) for row in rows] == [("x", True), ("x", False)]


def test_black_pixels_and_thousands_of_relus():
    """New biases are 0, so every ReLU over black pixels is at its kink: they are moved, too."""
    random.set_seed(0)
    images = RNG.integers(0, 256, (4, 12, 12, 1)) * (RNG.random((4, 12, 12, 1)) < 0.2)
    made = [layers.Rescaling(1 / 255), layers.Conv2D(16, 3, activation="relu"), layers.Flatten()]
    made.append(layers.Dense(3, activation="softmax"))
    model = Sequential([type(each)(**{**each.get_config(), "dtype": "float64"}) for each in made])
    model.compile("adam", "sparse_categorical_crossentropy")
    report = gradcheck(model, images, Y[:4])
    assert report.passed, str(report)
    assert not model.get_weights()[1].any()
