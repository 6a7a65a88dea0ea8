"""Pretrained layers are given images of another scale."""

import warnings

import numpy as np
import pytest

pytest.importorskip("h5py")

from tinyconv import Input, InputScaleWarning, Model, Sequential, layers
from tinyconv.applications.vgg16 import VGG16, preprocess_input

SHAPE = (32, 32, 3)
RNG = np.random.default_rng(0)
COARSE = RNG.random((4, 4, 4, 3)) ** 2
PIXELS = np.round(255 * np.kron(COARSE, np.ones((1, 8, 8, 1)))).astype("float32")
Y = np.array([0.0, 1, 1, 0])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """VGG16 with the weights of a file, to the end of its first block, which is fast."""
    file = tmp_path_factory.mktemp("weights") / "vgg16.weights.h5"
    VGG16(weights=None, include_top=False, input_shape=SHAPE).save_weights(file)
    return VGG16(weights=str(file), include_top=False, input_shape=SHAPE)


def part(base):
    """Drawn from the layers of the network, not around it."""
    return Model(base.input, base.get_layer("block1_pool").output)


def head(x):
    return layers.Dense(1, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))


def chain(base):
    return Sequential([part(base), layers.GlobalAveragePooling2D(), layers.Dense(1, "sigmoid")])


def chain_in_a_chain(base):
    return Sequential([Input(SHAPE), chain(base)])


def drawn_around(base):
    x = Input(SHAPE)
    return Model(x, head(part(base)(x)))


def drawn_on(base):
    return Model(base.input, head(base.get_layer("block1_pool").output))


MODELS = [chain, chain_in_a_chain, drawn_around, drawn_on]


def told(do, *arguments):
    """The InputScaleWarnings of a call; each at the caller's line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        do(*arguments, verbose=0)
    assert all(issubclass(each.category, InputScaleWarning) for each in caught)
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught]


def compiled(make, base):
    model = make(base)
    model.compile("sgd", "binary_crossentropy")
    return model


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize(
    "images", [PIXELS, PIXELS.astype("uint8"), PIXELS / 255, PIXELS / 127.5 - 1],
    ids=["0..255", "uint8", "0..1", "-1..1"],
)  # fmt: skip
def test_images_that_are_not_prepared(make, images, base):
    model = compiled(make, base)
    (asked,) = told(model.predict, images)
    (trained,) = told(model.fit, images, Y)
    for message in (asked, trained):
        assert f"{model!r}: its pretrained layers were trained on values from -123.68" in message
        assert f"values from {images.min():g} to {images.max():g}" in message
        assert "preprocess_input of pixels from 0 to 255" in message
        assert "divide" not in message
    (trained,) = told(model.fit, iter([(images, Y)]))  # batches
    assert "preprocess_input" in trained


@pytest.mark.parametrize("make", MODELS)
def test_images_that_are_prepared(make, base):
    model = compiled(make, base)
    for images in (preprocess_input(PIXELS), preprocess_input(PIXELS / 8)):
        assert told(model.predict, images) == []
        assert told(model.fit, images, Y) == []
        assert told(model.fit, iter([(images, Y)])) == []


def test_images_that_the_model_prepares(base):
    x = Input(SHAPE)
    centred = layers.Rescaling(1, offset=-117)(x)
    model = Model(x, head(part(base)(centred)))
    model.compile("sgd", "binary_crossentropy")
    assert told(model.predict, PIXELS) == []
    assert told(model.fit, PIXELS, Y) == []


def test_the_network_itself(base):
    base.told_of_input_scale = False
    (message,) = told(base.predict, PIXELS)
    assert "the model was trained on values from -123.68" in message
    assert "preprocess_input" in message
    base.told_of_input_scale = False
    assert told(base.predict, preprocess_input(PIXELS)) == []


def test_random_weights_expect_nothing():
    model = VGG16(weights=None, include_top=False, input_shape=SHAPE)
    assert model.input_record is None
    assert told(model.predict, PIXELS) == []
