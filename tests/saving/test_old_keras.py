"""`.h5` files of the Keras in TensorFlow 2."""

import re

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from tests.saving.old_keras import called, dense, start, values, write  # noqa: E402
from tinyconv.saving import load_model, load_weights  # noqa: E402

SMALL = {
    "flatten": [],
    "first": [("first/kernel:0", values(4, 3)), ("first/bias:0", values(3))],
    "second": [("second/kernel:0", values(3, 2)), ("second/bias:0", values(2))],
}
LAYERS = [
    {
        "class_name": "Flatten",
        "config": {
            "name": "flatten",
            "trainable": True,
            "batch_input_shape": [None, 2, 2],
            "dtype": "float32",
            "data_format": "channels_last",
        },
    },
    dense("first", 3, "relu"),
    dense("second", 2, "softmax"),
]
X = np.random.default_rng(1).random((5, 2, 2)).astype("float32")


def expected(x):
    (w, b), (v, c) = ([array for _, array in SMALL[name]] for name in ("first", "second"))
    z = np.exp(np.maximum(x.reshape(len(x), -1) @ w + b, 0) @ v + c)
    return z / z.sum(axis=1, keepdims=True)


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


def small():
    return tinyconv.Sequential(
        [
            tinyconv.Input((2, 2)),
            tinyconv.layers.Flatten(),
            tinyconv.layers.Dense(3, "relu", name="first"),
            tinyconv.layers.Dense(2, "softmax", name="second"),
        ]
    )


@pytest.mark.parametrize("whole", [False, True], ids=["weights", "whole model"])
def test_weights_alone(whole, tmp_path):
    config = {"class_name": "Sequential", "config": LAYERS}
    file = write(tmp_path / "w.h5", SMALL, config if whole else None)
    model = small()
    load_weights(model, file)
    np.testing.assert_allclose(model.predict_on_batch(X), expected(X), rtol=1e-5)


def test_by_name_reads_the_layers_of_the_same_names(tmp_path):
    file = write(tmp_path / "w.h5", SMALL)
    layers = tinyconv.layers
    model = tinyconv.Sequential(
        [tinyconv.Input((4,)), layers.Dense(3, name="first"), layers.Dense(5, name="new")]
    )
    new = model.layers[1].get_weights()
    load_weights(model, file, by_name=True)
    np.testing.assert_array_equal(model.get_weights()[0], SMALL["first"][0][1])
    assert all(
        np.array_equal(a, b) for a, b in zip(model.layers[1].get_weights(), new, strict=True)
    )
    with pytest.raises(ValueError, match=r"w\.h5: Dense 'new': expected kernel of shape \(3, 5\)"):
        load_weights(model, file)


def test_by_name_without_a_name_in_common(tmp_path):
    file = write(tmp_path / "w.h5", SMALL)
    layers = tinyconv.layers
    model = tinyconv.Sequential([tinyconv.Input((4,)), layers.Dense(3, name="mine")], name="m")
    before = model.get_weights()
    message = (
        r"w\.h5: nothing is read: of the 1 layers with weights of Sequential 'm' \(mine\) none has "
        r"the name of one of the 2 in the file \(first, second\)$"
    )
    with pytest.warns(UserWarning, match=message) as told:
        model.load_weights(file, by_name=True)
    assert told[0].filename == __file__
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("deep", [False, True])
def test_by_name_where_the_names_are_inside_a_model_inside(deep, tmp_path):
    file = write(tmp_path / "w.h5", SMALL)
    inner = small()
    inner.name = "inner"
    between = [tinyconv.Sequential([inner], name="middle")] if deep else [inner]
    model = tinyconv.Sequential([*between, tinyconv.layers.Dense(3, name="mine")])
    way = "model.get_layer('middle').get_layer('inner')" if deep else "model.get_layer('inner')"
    hint = rf"\(first, second\) are inside Sequential 'inner': call {re.escape(way)}\.load_weights"
    with pytest.warns(UserWarning, match=f"nothing is read: .*{hint}"):
        model.load_weights(file, by_name=True)
    eval(way).load_weights(file, by_name=True)
    np.testing.assert_array_equal(inner.get_weights()[0], SMALL["first"][0][1])


def test_by_name_is_advised_where_a_name_matches(tmp_path):
    file, layers = write(tmp_path / "w.h5", SMALL), tinyconv.layers
    for names, advised in ((["first"], True), (["mine"], False)):
        parts = [layers.Dense(3, name=name) for name in names]
        model = tinyconv.Sequential([tinyconv.Input((4,)), *parts])
        with pytest.raises(ValueError, match="1 layers with weights, the file holds 2") as told:
            model.load_weights(file)
        assert ("by_name=True" in str(told.value)) == advised


def test_by_name_and_skip_mismatch(tmp_path):
    file = write(tmp_path / "w.h5", SMALL)
    layers = tinyconv.layers
    model = tinyconv.Sequential(
        [tinyconv.Input((9,)), layers.Dense(3, name="first"), layers.Dense(2, name="second")]
    )
    before = model.get_weights()
    message = r"w\.h5: Dense 'first': expected kernel of shape \(9, 3\)\. Received: \(4, 3\)"
    with pytest.raises(ValueError, match=message):
        load_weights(model, file, by_name=True)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))
    with pytest.warns(UserWarning, match="skipped: Dense 'first': expected kernel"):
        load_weights(model, file, by_name=True, skip_mismatch=True)
    after = model.get_weights()
    assert np.array_equal(after[0], before[0])
    assert np.array_equal(after[1], SMALL["first"][1][1])  # the bias fits, as in Keras
    assert np.array_equal(after[2], SMALL["second"][0][1])


def test_too_few_layers_are_told_with_a_hint(tmp_path):
    file = write(tmp_path / "w.h5", {"first": SMALL["first"]})
    with pytest.raises(
        ValueError, match=r"w\.h5: .* has 2 layers with weights.*holds 1\. With by_n"
    ):
        load_weights(small(), file)


@pytest.mark.parametrize("written_frozen", [False, True])
def test_the_order_of_a_nested_batch_normalization_follows_its_names(written_frozen, tmp_path):
    """What is frozen decides the order in the file, and need not be what is frozen now."""
    kernel, gamma, beta, mean, variance, after = (
        values(2, 3), *(values(3) + 1 for _ in range(4)), values(3, 2)
    )  # fmt: skip
    trained = [("d/kernel:0", kernel), ("bn/gamma:0", gamma), ("bn/beta:0", beta)]
    moving = [("bn/moving_mean:0", mean), ("bn/moving_variance:0", variance)]
    last = [("e/kernel:0", after)]
    pairs = trained + (moving + last if written_frozen else last + moving)
    file = write(tmp_path / "w.h5", {"base": pairs})
    layers = tinyconv.layers
    base = tinyconv.Sequential(
        [
            layers.Dense(3, use_bias=False),
            layers.BatchNormalization(),
            layers.Dense(2, use_bias=False),
        ],
        name="base",
    )
    model = tinyconv.Sequential([tinyconv.Input((2,)), base])
    for frozen in (False, True):
        base.trainable = not frozen
        load_weights(model, file)
        given = [kernel, gamma, beta, mean, variance, after]
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), given, strict=True))


def test_a_layer_of_keras_that_is_not_supported(tmp_path):
    """The older format does not say whose class it is: both ways out are told."""
    keras = pytest.importorskip("keras")
    layers = [keras.Input((8, 8, 3)), keras.layers.SeparableConv2D(2, 3, name="apart")]
    keras.Sequential(layers).save(tmp_path / "m.h5")
    message = r"'SeparableConv2D' \(layer 'apart'\): if it is Keras' own.*not support.*custom_obj"
    with pytest.raises(ValueError, match=message):
        tinyconv.models.load_model(tmp_path / "m.h5")


def test_weights_of_a_nested_model_go_by_their_names(tmp_path):
    """A file in which the layers within a nested model stand in another order."""
    x = tinyconv.Input((4,))
    inner = tinyconv.Sequential(
        [tinyconv.Input((4,)), *(tinyconv.layers.Dense(4, name=name) for name in "ab")], name="i"
    )
    model = tinyconv.Model(x, inner(x))
    model.save(tmp_path / "m.h5")
    expected = model.get_weights()
    with h5py.File(tmp_path / "m.h5", "r+") as h5:
        group = h5["model_weights/i"]
        names = list(group.attrs["weight_names"])
        group.attrs["weight_names"] = names[2:] + names[:2]
    model.set_weights([0 * weight for weight in expected])
    model.load_weights(tmp_path / "m.h5")
    for weight, value in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, value)
