"""Files of weights that Keras wrote, and files that do not fit."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

import tinyconv  # noqa: E402
from tests.applications.networks import images, made  # noqa: E402
from tinyconv import initializers  # noqa: E402

# Keras' own arrays, with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.mark.parametrize("network", ["VGG16", "ResNet50"])
@pytest.mark.parametrize("top", [True, False], ids=["top", "no top"])
@pytest.mark.parametrize("ending", [".h5", ".weights.h5", ".keras"])
def test_weights_of_keras_are_read(network, top, ending, keras_files):
    file, theirs = keras_files(network, top, ending)
    ours = made(tinyconv, network, top, weights=file)
    for weight, expected in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy(), weight.path)
    x = images(network)
    expected = np.asarray(theirs(x, training=False))
    predictions = ours.predict(x, verbose=0)
    np.testing.assert_allclose(predictions, expected, atol=1e-5 * np.abs(expected).max())


def test_no_random_weights_are_drawn_for_a_file(keras_files, monkeypatch):
    file, _ = keras_files("VGG16")
    drawn = []
    monkeypatch.setattr(initializers.GlorotUniform, "__call__", lambda *a, **k: drawn.append(a))
    made(tinyconv, "VGG16", weights=str(file))
    assert drawn == []


def test_weights_travel_back(tmp_path):
    model, twin = (made(tinyconv, "ResNet50") for _ in range(2))
    model.save_weights(tmp_path / "w.weights.h5")
    twin = made(tinyconv, "ResNet50", weights=tmp_path / "w.weights.h5")
    theirs = made(keras, "ResNet50", weights=str(tmp_path / "w.weights.h5"))
    for weight, other, third in zip(model.weights, twin.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), other.numpy())
        np.testing.assert_array_equal(weight.numpy(), third.numpy())


@pytest.mark.parametrize("ending", [".h5", ".weights.h5"])
def test_a_top_of_another_name_is_read(ending, keras_files, tmp_path):
    """In the published file of ResNet-50 it is called probs."""
    file, theirs = keras_files("ResNet50", True, ending)
    renamed = tmp_path / f"renamed{ending}"
    renamed.write_bytes(file.read_bytes())
    with h5py.File(renamed, "r+") as h5:
        if ending == ".h5":
            names = [name.replace("predictions", "probs") for name in h5.attrs["layer_names"]]
            h5.attrs["layer_names"] = names
            h5.move("predictions", "probs")
        else:
            h5["layers/dense/vars"].attrs["name"] = "probs"
    ours = made(tinyconv, "ResNet50", weights=renamed)
    for weight, expected in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy(), weight.path)


# ---- files that do not fit ------------------------------------------------------


@pytest.mark.parametrize("ending", [".h5", ".weights.h5", ".keras"])
@pytest.mark.parametrize(
    ("held", "wanted", "message"),
    [
        (("VGG16", False), ("VGG16", True), r"VGG16 without its top \(fc1.*include_top=False"),
        (("VGG16", True), ("VGG16", False), r"VGG16 with its top \(fc1.*include_top=True"),
        (("ResNet50", False), ("ResNet50", True), r"ResNet50 without its top \(predictions\)"),
        (("ResNet50", True), ("ResNet50", False), r"ResNet50 with its top \(predictions\)"),
        (("ResNet50", True), ("VGG16", True), "not of VGG16.*Missing: block1_conv1.*conv1_bn"),
        (("VGG16", False), ("ResNet50", False), "not of ResNet50.*Without a place: block1_conv1"),
    ],
    ids=["vgg no top", "vgg top", "resnet no top", "resnet top", "resnet", "vgg"],
)
def test_another_network_is_told(held, wanted, ending, message, keras_files):
    file, _ = keras_files(*held, ending)
    with pytest.raises(ValueError, match=message) as told:
        made(tinyconv, *wanted, weights=file)
    assert str(told.value).startswith(str(file))


@pytest.mark.parametrize("ending", [".h5", ".weights.h5"])
def test_other_classes_channels_and_sizes_are_told_by_the_layer(ending, keras_files):
    file, _ = keras_files("VGG16", True, ending)
    with pytest.raises(ValueError, match=r"'predictions'.*\(4096, 5\). Received: \(4096, 6\)"):
        made(tinyconv, "VGG16", weights=file, classes=5)
    with pytest.raises(ValueError, match=r"'fc1'.*\(2048, 4096\). Received: \(512, 4096\)"):
        made(tinyconv, "VGG16", weights=file, input_shape=(64, 64, 3))
    with pytest.raises(ValueError, match=r"'block1_conv1'.*\(3, 3, 1, 64\). Received: \(3, 3, 3"):
        made(tinyconv, "VGG16", weights=file, input_shape=(32, 32, 1))


@pytest.mark.parametrize("ending", [".h5", ".weights.h5", ".keras"])
def test_truncated_files_are_told(ending, keras_files, tmp_path):
    content = keras_files("VGG16", False, ending)[0].read_bytes()
    file = tmp_path / f"half{ending}"
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(OSError, match=f"half{ending} is not a readable"):
        made(tinyconv, "VGG16", False, weights=file)


def reordered(source, target):
    """The same layers, block4_conv2 and block4_conv3 in each other's place."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        names = list(old.attrs["layer_names"])
        first, second = (names.index(name) for name in ("block4_conv2", "block4_conv3"))
        names[first], names[second] = names[second], names[first]
        for name in names:
            old.copy(name, new)
        new.attrs["layer_names"] = names


def test_permuted_layers_are_told_by_their_names(keras_files, tmp_path):
    file, theirs = keras_files("VGG16", False)
    permuted = tmp_path / "permuted.h5"
    reordered(file, permuted)
    ours = made(tinyconv, "VGG16", False, weights=permuted)
    later = made(tinyconv, "VGG16", False)
    with pytest.warns(UserWarning, match="in another order; they are told by their names"):
        later.load_weights(permuted)
    for model in (ours, later):
        for weight, expected in zip(model.weights, theirs.weights, strict=True):
            np.testing.assert_array_equal(weight.numpy(), expected.numpy())


def test_permuted_layers_without_a_name_to_go_by_are_refused(keras_files, tmp_path):
    file, _ = keras_files("VGG16", False, ".weights.h5")
    permuted = tmp_path / "permuted.weights.h5"
    permuted.write_bytes(file.read_bytes())
    with h5py.File(permuted, "r+") as h5:
        h5.move("layers/conv2d_8", "aside")
        h5.move("layers/conv2d_9", "layers/conv2d_8")
        h5.move("aside", "layers/conv2d_9")
    with pytest.raises(ValueError, match="another order: 'block4_conv3' is where 'block4_conv2'"):
        made(tinyconv, "VGG16", False, weights=permuted)


def test_files_from_before_names_were_kept(keras_files, tmp_path):
    file, theirs = keras_files("VGG16", False, ".weights.h5")
    old = tmp_path / "old.weights.h5"
    old.write_bytes(file.read_bytes())
    with h5py.File(old, "r+") as h5:
        for layer in h5["layers"].values():
            if "name" in layer["vars"].attrs:
                del layer["vars"].attrs["name"]
    ours = made(tinyconv, "VGG16", False, weights=old)
    np.testing.assert_array_equal(ours.get_weights()[-1], theirs.get_weights()[-1])


def test_part_of_a_network_by_name(keras_files):
    """A truncated network reads its blocks out of the file of the whole."""
    file, theirs = keras_files("VGG16", False)
    whole = made(tinyconv, "VGG16", False)
    part = tinyconv.Model(whole.input, whole.get_layer("block3_pool").output)
    part.load_weights(file, by_name=True)
    for weight, expected in zip(part.weights, theirs.weights, strict=False):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())
    assert len(part.weights) == 14
