"""Files of other networks, and what a model keeps when a file does not fit."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from tests.applications.networks import made  # noqa: E402

# Keras' own arrays, with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

ENDINGS = [".h5", ".weights.h5", ".keras"]
SAVED = {".h5": "save", ".weights.h5": "save_weights", ".keras": "save"}


# ---- other networks, told by their layers' names ----------------------------------


def vgg_names(*counts):
    return [f"block{b}_conv{c}" for b, n in enumerate(counts, 1) for c in range(1, n + 1)]


def namesakes(file, convolutions, dense=()):
    """A file with layers of these names; how large they are does not matter."""
    x = start = tinyconv.Input((1, 1, 3))
    for name in convolutions:
        x = tinyconv.layers.Conv2D(1, 1, name=name)(x)
    x = tinyconv.layers.Flatten()(x)
    for name in dense:
        x = tinyconv.layers.Dense(1, name=name)(x)
    model = tinyconv.Model(start, x)
    (ending,) = (each for each in ENDINGS if file.name == f"w{each}")
    getattr(model, SAVED[ending])(file)
    return file


VGG16_TOP = ("fc1", "fc2", "predictions")
VGG16, VGG19 = vgg_names(2, 2, 3, 3, 3), vgg_names(2, 2, 4, 4, 4)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("top", [True, False], ids=["top", "no top"])
@pytest.mark.parametrize(
    ("convolutions", "dense", "message"),
    [
        # Three layers too many: as many as VGG16's top has.
        (VGG19, (), "Without a place: block3_conv4, block4_conv4, block5_conv4"),
        (VGG19, VGG16_TOP, "Without a place: block3_conv4, block4_conv4, block5_conv4"),
        (vgg_names(2, 2, 2, 2, 2), VGG16_TOP, "Missing: block3_conv3, block4_conv3, block5_conv3"),
        (vgg_names(2, 2, 3), (), "Missing: block4_conv1, block4_conv2, block4_conv3 and"),
        (VGG16, ("dense",), "Missing: fc1|VGG16 with its top"),
        ([f"conv2d_{i}" for i in range(13)], (), "Missing: block1_conv1"),
    ],
    ids=["VGG19", "VGG19 top", "VGG13", "three blocks", "a unit of one's own", "nameless"],
)
def test_other_vgg_networks_are_told(convolutions, dense, message, top, ending, tmp_path):
    file = namesakes(tmp_path / f"w{ending}", convolutions, dense)
    with pytest.raises(ValueError, match=message) as told:
        made(tinyconv, "VGG16", top, weights=file)
    assert str(told.value).startswith(str(file))
    if convolutions != VGG16:
        assert "not of VGG16, or not all of it" in str(told.value)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_model_around_a_network_is_told(ending, keras_files, tmp_path):
    base = made(tinyconv, "ResNet50", False)
    around = tinyconv.Sequential([base, tinyconv.layers.Flatten(), tinyconv.layers.Dense(1)])
    getattr(around, SAVED[ending])(tmp_path / f"w{ending}")
    with pytest.raises(ValueError, match=r"not of ResNet50.*Without a place: dense"):
        made(tinyconv, "ResNet50", False, weights=tmp_path / f"w{ending}")


# ---- nothing half loaded ----------------------------------------------------------


def other_network(file, _, keras_files, ending):
    file.write_bytes(keras_files("ResNet50", False, ending)[0].read_bytes())


def with_top(file, _, keras_files, ending):
    file.write_bytes(keras_files("VGG16", True, ending)[0].read_bytes())


def truncated(file, content, *_):
    file.write_bytes(content[:-1000])


def last_layer_of_another_shape(file, content, *_):
    change(file, content, lambda h5, path: (h5.pop(path), h5.create_dataset(path, (3, 3, 4, 4))))


def last_layer_missing(file, content, *_):
    change(file, content, lambda h5, path: h5.pop(path))


def last_layer_no_numbers(file, content, *_):
    change(file, content, lambda h5, path: (h5.pop(path), h5.create_dataset(path, data=b"weights")))


def change(file, content, do):
    """Do something to the last kernel in a file."""
    file.write_bytes(content)
    with h5py.File(file, "r+") as h5:
        legacy = "layer_names" in h5.attrs
        path = "block5_conv3/block5_conv3/kernel" if legacy else "layers/conv2d_12/vars/0"
        do(h5, path)


@pytest.mark.parametrize("ending", [".h5", ".weights.h5"])
@pytest.mark.parametrize(
    "damage",
    [
        other_network, with_top, truncated, last_layer_of_another_shape, last_layer_missing,
        last_layer_no_numbers,
    ],
    ids=lambda damage: damage.__name__,
)  # fmt: skip
def test_the_weights_stay_as_they_were(damage, ending, keras_files, vgg, tmp_path):
    file = tmp_path / f"w{ending}"
    damage(file, keras_files("VGG16", False, ending)[0].read_bytes(), keras_files, ending)
    before = [weight.copy() for weight in vgg.get_weights()]
    with pytest.raises((ValueError, OSError), match=file.name):
        vgg.load_weights(file)
    for weight, expected in zip(vgg.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected, weight.path)
    assert vgg.input_record is None


@pytest.fixture(scope="module")
def vgg():
    return made(tinyconv, "VGG16", False)


# ---- in another order ---------------------------------------------------------------


def test_weights_in_another_order_within_a_layer(keras_files, tmp_path):
    """Those of BatchNormalization have all the same shape: only their names tell."""
    file, theirs = keras_files("ResNet50", False)
    permuted = tmp_path / "permuted.h5"
    permuted.write_bytes(file.read_bytes())
    with h5py.File(permuted, "r+") as h5:
        for layer in h5.values():
            layer.attrs["weight_names"] = layer.attrs["weight_names"][::-1]
    ours = made(tinyconv, "ResNet50", False, weights=permuted)
    for weight, expected in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy(), weight.path)


def test_another_order_in_a_file_that_goes_by_places_is_told(keras_files, vgg, tmp_path):
    file = tmp_path / "permuted.weights.h5"
    file.write_bytes(keras_files("VGG16", False, ".weights.h5")[0].read_bytes())
    with h5py.File(file, "r+") as h5:
        h5.move("layers/conv2d_8", "aside")
        h5.move("layers/conv2d_9", "layers/conv2d_8")
        h5.move("aside", "layers/conv2d_9")
    with pytest.warns(UserWarning, match="'block4_conv3' is where 'block4_conv2' belongs"):
        vgg.load_weights(file)


# ---- images -------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["VGG16", "ResNet50"])
@pytest.mark.parametrize("shape", [(1, 64, 64, 1), (64, 64, 3), (1, 64, 64, 4), (1, 3, 64, 64)])
def test_images_of_another_shape(network, shape):
    model = made(tinyconv, network, False, input_shape=(None, None, 3))
    x = np.zeros(shape, "float32")
    for ask in (model, model.predict_on_batch, lambda x: model.predict(x, verbose=0)):
        with pytest.raises(ValueError, match=rf"{model.name}.*\(None, None, None, 3\).*Received"):
            ask(x)


def test_an_image_that_is_too_small_for_the_network():
    model = made(tinyconv, "VGG16", False, input_shape=(None, None, 3))
    with pytest.raises(ValueError, match=r"'block5_pool'.*a larger image"):
        model.predict(np.zeros((1, 31, 40, 3)), verbose=0)
