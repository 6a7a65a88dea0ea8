"""`.h5` files of the Keras in TensorFlow 2."""

import numpy as np
import pytest

pytest.importorskip("h5py")

import tinyconv
from tests.saving.old_keras import (
    LAYERS,
    SMALL,
    X,
    called,
    dense,
    expected,
    start,
    values,
    write,
)
from tinyconv.saving import load_model


@pytest.mark.parametrize(
    "config", [{"name": "old", "layers": LAYERS}, LAYERS], ids=["TensorFlow 2", "Keras 2.0"]
)
def test_sequential(config, tmp_path):
    file = write(tmp_path / "m.h5", SMALL, {"class_name": "Sequential", "config": config})
    model = load_model(file)
    np.testing.assert_allclose(model.predict_on_batch(X), expected(X), rtol=1e-5)
    assert model.layers[1].kernel_regularizer.l2 == pytest.approx(0.01)
    assert not model.compiled


def functional(class_name):
    """Shared, nested and merged, with two outputs: the calls of "inner" count from 1."""
    inner = {
        "name": "inner",
        "layers": [
            called(start("inner_in", 3)),
            called(dense("deep", 3, "tanh"), [["inner_in", 0, 0, {}]]),
        ],
        "input_layers": [["inner_in", 0, 0]],
        "output_layers": [["deep", 0, 0]],
    }
    add = {"class_name": "Add", "config": {"name": "add", "trainable": True, "dtype": "float32"}}
    config = {
        "name": "outer",
        "layers": [
            called(start("a", 4)),
            called(start("b", 4)),
            called(dense("shared", 3), [["a", 0, 0, {}]], [["b", 0, 0, {}]]),
            called(
                {"class_name": class_name, "config": inner},
                [["shared", 1, 0, {}]],
                [["inner", 1, 0, {"training": None, "mask": None}]],
            ),
            called(add, [["shared", 0, 0, {}], ["inner", 2, 0, {}]]),
            called(dense("out", 1), [["add", 0, 0, {}]]),
        ],
        "input_layers": [["a", 0, 0], ["b", 0, 0]],
        "output_layers": [["out", 0, 0], ["inner", 1, 0]],
    }
    return {"class_name": class_name, "config": config}


@pytest.mark.parametrize("class_name", ["Functional", "Model"])
def test_functional(class_name, tmp_path):
    w, b, v, c, u, d = values(4, 3), values(3), values(3, 3), values(3), values(3, 1), values(1)
    weights = {
        "a": [],
        "b": [],
        "shared": [("shared/kernel:0", w), ("shared/bias:0", b)],
        "inner": [("deep/kernel:0", v), ("deep/bias:0", c)],
        "add": [],
        "out": [("out/kernel:0", u), ("out/bias:0", d)],
    }
    model = load_model(write(tmp_path / "m.h5", weights, functional(class_name)))
    first, second = (np.random.default_rng(seed).random((5, 4)).astype("f") for seed in (2, 3))
    once = np.tanh((second @ w + b) @ v + c)
    out, inner = model.predict_on_batch([first, second])
    np.testing.assert_allclose(inner, once, rtol=1e-5)
    total = first @ w + b + np.tanh(once @ v + c)
    np.testing.assert_allclose(out, total @ u + d, rtol=1e-5, atol=1e-6)


def slots(optimizer, *kinds):
    """The optimizer's variables as TensorFlow 2.0 to 2.10 named and ordered them."""
    weights = [pair for pairs in SMALL.values() for pair in pairs]
    state = [(f"{optimizer}/iter:0", np.int64(7))]
    for kind in kinds:
        for name, array in weights:
            entry = f"{optimizer}/{name[:-2]}/{kind}:0"
            state.append((entry, np.abs(values(*array.shape))))
    return state


OPTIMIZERS = {
    "Adam": ({"lr": 0.01, "decay": 0.0, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-7},
             ("m", "v", "vhat"), ("m", "v", "v_max"), {"amsgrad": True}),
    "RMSprop": ({"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5, "centered": True},
                ("rms", "momentum", "mg"), ("square", "velocity", "mean"), {}),
    "SGD": ({"learning_rate": 0.01, "momentum": 0.5, "nesterov": True, "decay": 0.0},
            ("momentum",), ("velocity",), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_compile_settings_and_the_optimizers_state(name, tmp_path):
    config, kinds, ours, more = OPTIMIZERS[name]
    metric = {"name": "accuracy", "dtype": "float32", "fn": "categorical_accuracy"}
    training = {
        "loss": {
            "class_name": "CategoricalCrossentropy",
            "config": {"reduction": "auto", "name": "categorical_crossentropy",
                       "from_logits": False, "label_smoothing": 0.1,
                       "fn": "categorical_crossentropy", "axis": -1},
        },
        "metrics": [[{"class_name": "MeanMetricWrapper", "config": metric}]],
        "weighted_metrics": None,
        "loss_weights": None,
        "optimizer_config": {"class_name": name, "config": {**config, **more, "name": name}},
    }  # fmt: skip
    state = slots(name, *kinds)
    config = {"class_name": "Sequential", "config": {"name": "old", "layers": LAYERS}}
    model = load_model(write(tmp_path / "m.h5", SMALL, config, training, state))
    assert type(model.optimizer).__name__ == name
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (7, 0.01)
    assert model.loss.label_smoothing == 0.1
    assert model.metrics_names == ["loss", "accuracy"]
    buffer, arrays = model._parameters(), [array for _, array in state[1:]]
    for number, slot in enumerate(ours):
        for index, view in enumerate(buffer.views(model.optimizer.slots[slot])):
            np.testing.assert_array_equal(view, arrays[number * 4 + index])
    model.train_on_batch(X, np.eye(2)[[0, 1, 0, 1, 0]])
    assert model.optimizer.iterations == 8


def test_a_layer_of_keras_that_is_not_supported(tmp_path):
    """The older format does not say whose class it is: both ways out are told."""
    keras = pytest.importorskip("keras")
    layers = [keras.Input((8, 8, 3)), keras.layers.SeparableConv2D(2, 3, name="apart")]
    keras.Sequential(layers).save(tmp_path / "m.h5")
    message = r"'SeparableConv2D' \(layer 'apart'\): if it is Keras' own.*not support.*custom_obj"
    with pytest.raises(ValueError, match=message):
        tinyconv.models.load_model(tmp_path / "m.h5")
