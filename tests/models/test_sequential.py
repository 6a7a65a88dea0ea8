import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinyconv
from tinyconv import Input, Sequential, layers

RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((3, 6, 6, 2)).astype("float32")


def parts(**first):
    return [
        layers.Conv2D(3, 3, activation="relu", **first),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(4),
    ]


def from_input():
    return Sequential([Input((6, 6, 2)), *parts()])


def from_input_shape():
    return Sequential(parts(input_shape=(6, 6, 2)))


def from_build():
    model = Sequential(parts())
    model.build((None, 6, 6, 2))
    return model


def from_first_batch():
    model = Sequential(parts())
    assert not model.built
    assert model.weights == []
    model(IMAGES)
    return model


def layer_by_layer():
    model = Sequential()
    for layer in (Input((6, 6, 2)), *parts()):
        model.add(layer)
    return model


@pytest.mark.parametrize(
    "make",
    [from_input_shape, from_build, from_first_batch, layer_by_layer],
    ids=lambda f: f.__name__,
)
def test_every_way_of_building_makes_the_same_model(make):
    tinyconv.utils.set_random_seed(1)
    expected = from_input()
    tinyconv.utils.clear_session()
    tinyconv.utils.set_random_seed(1)
    model = make()
    assert [w.path for w in model.weights] == [w.path for w in expected.weights]
    assert [w.shape for w in model.weights] == [(3, 3, 2, 3), (3,), (12, 4), (4,)]
    for weight, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    assert model.output_shape == (None, 4)


def test_output_is_that_of_the_layers_one_after_the_other():
    model = from_input()
    y = IMAGES
    for layer in model.layers:
        y = layer(y)
    np.testing.assert_array_equal(model(IMAGES), y)
    np.testing.assert_array_equal(model.forward(IMAGES, training=True)[0], y)
    assert y.shape == (3, 4)


def test_automatic_names_are_keras_names():
    model = Sequential(
        [
            Input((9, 9, 1)),
            layers.ZeroPadding2D(),
            layers.Conv2D(2, 3),
            layers.Conv2D(2, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(2, 1, name="mine"),
            layers.Conv2D(2, 1),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    assert [layer.name for layer in model.layers] == [
        "zero_padding2d", "conv2d", "conv2d_1", "batch_normalization", "re_lu", "max_pooling2d",
        "mine", "conv2d_2", "global_average_pooling2d", "dense",
    ]  # fmt: skip
    assert model.name == "sequential"
    assert Sequential().name == "sequential_1"


def test_pop_and_add_change_the_model_and_ask_for_a_new_compile():
    model = from_input()
    model.compile("sgd", "mse")
    last = model.layers[-1]
    assert model.pop() is last
    assert model.output_shape == (None, 12)
    assert [w.path for w in model.weights] == ["conv2d/kernel", "conv2d/bias"]
    assert not model.compiled
    model.add(layers.Dense(7, name="head"))
    assert model(IMAGES).shape == (3, 7)
    with pytest.raises(ValueError, match="no layer to remove"):
        Sequential().pop()


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (lambda: layers.Dense(2, name="dense"), ValueError, "'sequential'.*already"),
        (lambda: layers.Conv2D(2, 3, name="late"), ValueError, r"'late'.*\(None, 4\)"),
        (lambda: Input((4,)), ValueError, "Input must come first"),
        (lambda: "Dense", TypeError, "'sequential': expected a layer. Received: 'Dense'"),
        (lambda: layers.Dense, TypeError, "expected a layer. Received: <class"),
    ],
    ids=["duplicate name", "does not fit", "second input", "a string", "a class"],
)
def test_a_layer_that_cannot_be_added_leaves_the_model_as_it_was(layer, error, message):
    model = from_input()
    before = [each.name for each in model.layers]
    with pytest.raises(error, match=message):
        model.add(layer())
    assert [each.name for each in model.layers] == before
    assert model(IMAGES).shape == (3, 4)


def test_a_model_is_no_layer_of_itself():
    built, unbuilt = from_input(), Sequential([layers.Dense(4)], name="inner")
    around = Sequential([unbuilt], name="outer")
    for model, layer in ((built, built), (unbuilt, unbuilt), (unbuilt, around)):
        before = list(model.layers)
        with pytest.raises(ValueError, match="a model can't be a layer of itself"):
            model.add(layer)
        assert model.layers == before
    around.build((None, 3))
    assert built(IMAGES).shape == around(np.ones((3, 3))).shape == (3, 4)


def test_layers_that_do_not_fit_are_told_at_construction():
    with pytest.raises(ValueError, match=r"Dense 'head'|Conv2D 'late'"):
        Sequential([Input((8,)), layers.Dense(3), layers.Conv2D(2, 3, name="late")])
    with pytest.raises(ValueError, match="no layers"):
        Sequential().build((None, 3))


def test_get_layer():
    model = from_input()
    assert model.get_layer("flatten") is model.layers[2]
    assert model.get_layer(index=0) is model.layers[0]
    assert model.get_layer(index=-1) is model.layers[-1]
    with pytest.raises(ValueError, match=r"'sequential': no layer 'dense_9'. Layers: .*'dense'"):
        model.get_layer("dense_9")
    with pytest.raises(ValueError, match="no layer 4; there are 4"):
        model.get_layer(index=4)
    for arguments in ({}, {"name": "dense", "index": 0}):
        with pytest.raises(ValueError, match="either the name or the index"):
            model.get_layer(**arguments)


def test_count_params_of_the_books_network():
    model = Sequential(
        [
            layers.Conv2D(32, (3, 3), padding="same", input_shape=(28, 28, 1)),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Conv2D(64, (3, 3), padding="same"),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Flatten(),
            layers.Dense(128),
            layers.Dense(10),
        ]
    )
    counts = [layer.count_params() for layer in model.layers]
    assert counts == [320, 0, 18_496, 0, 0, 401_536, 1_290]
    assert model.count_params() == 421_642


@pytest.mark.parametrize(
    ("declared", "given", "taken"),
    [
        ((6, 6, 1), (2, 6, 6), True),
        ((6, 6, 1), (2, 6, 6, 1), True),
        ((None, None, 1), (2, 7, 6), True),
        ((6, 6, 3), (2, 6, 6), False),
        ((6, 6, 1), (6, 6), False),
        ((6, 6, 1), (2, 6, 5), False),
    ],
)
def test_grey_images_need_no_channel_axis(declared, given, taken):
    model = Sequential([Input(declared), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()])
    x = RNG.standard_normal(given).astype("float32")
    if taken:
        np.testing.assert_array_equal(model(x), model(x.reshape(*given[:3], 1)))
        np.testing.assert_array_equal(model.predict(x, verbose=0), model(x))
    else:
        with pytest.raises(ValueError, match=r"'sequential': expected input of shape .*Received"):
            model(x)


def test_config_makes_the_same_model_again():
    inner = Sequential([layers.Dense(5, activation="tanh"), layers.Dropout(0.3)], name="inner")
    model = Sequential(
        [
            Input((6, 6, 2)),
            layers.Conv2D(3, 3, padding="same", kernel_regularizer="l2", name="stem"),
            layers.BatchNormalization(momentum=0.9),
            layers.Flatten(),
            inner,
            layers.Dense(2, activation="softmax", use_bias=False),
        ],
        name="whole",
    )
    model.get_layer("stem").trainable = False
    config = json.loads(json.dumps(model.get_config()))
    twin = Sequential.from_config(config)
    assert json.loads(json.dumps(twin.get_config())) == config
    assert [w.path for w in twin.trainable_weights] == [w.path for w in model.trainable_weights]
    twin.set_weights(model.get_weights())
    np.testing.assert_array_equal(twin(IMAGES), model(IMAGES))
    assert twin.get_layer("inner").layers[1].rate == 0.3


@pytest.mark.parametrize("wrong", [(3, 3, 1), (28, 28, 5)])
def test_a_model_that_could_not_be_built_takes_the_next_shape(wrong):
    model = Sequential([layers.Conv2D(8, 5, groups=2), layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ValueError, match="Conv2D"):
        model.build((None, *wrong))
    assert not model.built
    assert [layer.params for layer in model.layers] == [{}, {}, {}]
    model.build((None, 6, 6, 2))
    assert model.output_shape == (None, 3)


def test_a_layer_that_could_not_be_built_takes_the_next_shape():
    layer = layers.Conv2D(8, 5)
    with pytest.raises(ValueError, match="larger than the input"):
        layer(np.ones((1, 3, 3, 1)))
    assert layer(np.ones((1, 6, 6, 2))).shape == (1, 2, 2, 8)


def test_fit_with_wrong_labels_leaves_a_model_unbuilt():
    model = Sequential([layers.Dense(3)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="label 9"):
        model.fit(np.ones((4, 2)), np.full(4, 9), verbose=0)
    assert not model.built
    model.fit(np.ones((4, 5)), np.zeros(4, int), verbose=0)
    assert model.layers[0].params["kernel"].shape == (5, 3)


def test_of_several_threads_with_a_first_batch_one_builds(monkeypatch):
    built, build = [], layers.Dense.build

    def slow(self, shape):
        built.append(shape)
        time.sleep(0.05)
        build(self, shape)

    monkeypatch.setattr(layers.Dense, "build", slow)
    model, x = Sequential([layers.Dense(3), layers.Dense(2)]), np.ones((4, 5), "float32")
    with ThreadPoolExecutor(4) as executor:
        results = list(executor.map(lambda _: model.predict(x, verbose=0), range(4)))
    assert built == [(None, 5), (None, 3)]
    for result in results:
        np.testing.assert_array_equal(result, model(x))
