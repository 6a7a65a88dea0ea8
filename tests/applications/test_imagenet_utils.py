"""Images as the networks expect them, and the names of the classes."""

import hashlib
import json
import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

import tinyconv  # noqa: E402
from tests.data.web import sends  # noqa: E402
from tinyconv.applications import imagenet_utils, resnet50, vgg16  # noqa: E402
from tinyconv.applications.imagenet_utils import decode_predictions, preprocess_input  # noqa: E402
from tinyconv.applications.weights import Published  # noqa: E402
from tinyconv.data.cache import CorruptFileError  # noqa: E402
from tinyconv.data.download import DownloadError  # noqa: E402

RNG = np.random.default_rng(2)


@pytest.mark.parametrize("shape", [(5, 4, 3), (2, 5, 4, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
def test_preprocess_input_is_keras_own(shape, dtype):
    pixels = RNG.integers(0, 256, shape).astype(dtype)
    before = pixels.copy()
    expected = keras.applications.vgg16.preprocess_input(pixels.copy())
    prepared = preprocess_input(pixels)
    assert prepared.dtype == expected.dtype
    np.testing.assert_allclose(prepared, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(pixels, before)
    assert not np.shares_memory(prepared, pixels)


def test_preprocess_input_is_rgb_to_bgr_less_the_means():
    red = preprocess_input(np.array([[[255, 0, 0]]]))
    np.testing.assert_allclose(red[0, 0], [-103.939, -116.779, 255 - 123.68], rtol=1e-6)
    assert resnet50.preprocess_input is vgg16.preprocess_input is preprocess_input


def test_preprocess_input_in_a_tensorflow_pipeline():
    tf = pytest.importorskip("tensorflow")
    pixels = RNG.integers(0, 256, (3, 4, 4, 3)).astype("uint8")
    (prepared,) = tf.data.Dataset.from_tensors(pixels).map(preprocess_input)
    np.testing.assert_allclose(prepared.numpy(), preprocess_input(pixels), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 8, 1), r"\(8, 8, 1\)\. Read grey or transparent images as colour: load_img"),
        ((2, 8, 8, 1), "grey"),
        ((8, 8), "grey"),
        ((8, 8, 4), r"Received: shape \(8, 8, 4\)\. Read grey or transparent images as colour"),
        ((3, 8, 8), r"Received: shape \(3, 8, 8\)$"),
        ((1, 1, 8, 8, 3), r"Received: shape \(1, 1, 8, 8, 3\)$"),
        ((3,), r"Received: shape \(3,\)"),
    ],
)
def test_preprocess_input_refuses_what_is_no_colour_image(shape, message):
    with pytest.raises(ValueError, match=message):
        preprocess_input(np.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (8, 8), (2, 8, 8, 4)])
def test_tensors_too_must_be_colour_images(shape):
    """One channel less the means of three would be three channels, and no error."""
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(ValueError, match="colour: load_img"):
        preprocess_input(tf.zeros(shape))
    with pytest.raises(ValueError, match="colour: load_img"):
        tf.data.Dataset.from_tensors(np.zeros(shape)).map(preprocess_input)
    unknown = tf.function(preprocess_input, input_signature=[tf.TensorSpec(None)])
    assert unknown(tf.zeros((4, 4, 3))).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("given", "received"),
    [
        ("elephant.jpg", "'elephant.jpg'"),
        (None, "None"),
        ([np.zeros((8, 8, 3)), np.zeros((9, 8, 3))], r"\[array"),
        (np.zeros((8, 8, 3), object), "dtype=object"),
        (np.zeros((8, 8, 3), complex), "j"),
    ],
    ids=["name", "None", "several sizes", "objects", "complex"],
)
def test_preprocess_input_refuses_what_is_no_array_of_numbers(given, received):
    with pytest.raises(ValueError, match=f"an array of images of one size.*Received: .*{received}"):
        preprocess_input(given)


def test_preprocess_input_is_no_layer():
    images = tinyconv.Input((8, 8, 3), name="images")
    message = r"before the model gets them.*dataset\.map\(.*Received: <SymbolicTensor.*'images'"
    with pytest.raises(TypeError, match=message):
        preprocess_input(images)


def test_preprocess_input_refuses_another_layout():
    with pytest.raises(ValueError, match="data_format='channels_first'"):
        preprocess_input(np.zeros((3, 8, 8)), data_format="channels_first")


def test_preprocessed_and_scaled_images_are_told(recwarn):
    pixels = RNG.integers(0, 256, (4, 4, 3))
    prepared = preprocess_input(pixels)
    preprocess_input(np.zeros((4, 4, 3)))  # black
    preprocess_input(pixels * 1.1 - 10)  # a resizing that overshoots
    assert not recwarn.list
    with pytest.warns(UserWarning, match="Were they preprocessed already"):
        preprocess_input(prepared)
    with pytest.warns(UserWarning, match="Were they divided by 255"):
        preprocess_input(pixels / 255)
    with pytest.warns(UserWarning, match="from 0 to 65535. Have they 16 bits"):
        preprocess_input(np.array([[[0, 9, 65535]]], "uint16"))
    tf = pytest.importorskip("tensorflow")
    with pytest.warns(UserWarning, match="Were they preprocessed already"):
        preprocess_input(tf.constant(prepared))


# ---- the classes ----------------------------------------------------------------


@pytest.fixture
def classes(monkeypatch):
    """The content of a list of classes, for which the module takes it as published."""
    content = json.dumps({str(i): [f"n{i:08}", f"class_{i}"] for i in range(1000)}).encode()
    monkeypatch.setattr(imagenet_utils, "_INDEX", published(content))
    return content


def published(content, folder="http://127.0.0.1:1/"):
    return Published("imagenet_class_index.json", folder, hashlib.md5(content).hexdigest())


def place(keras_home, content):
    folder = keras_home / "models"
    folder.mkdir(parents=True)
    (folder / "imagenet_class_index.json").write_bytes(content)


def test_decode_predictions(keras_home, classes):
    place(keras_home, classes)
    predictions = RNG.random((2, 1000)).astype("float32")
    decoded = decode_predictions(predictions, top=3)
    assert [len(guesses) for guesses in decoded] == [3, 3]
    for row, guesses in zip(predictions, decoded, strict=True):
        best = np.sort(np.argsort(row)[-3:][::-1])
        assert [score for *_, score in guesses] == sorted(row[best], reverse=True)
        for id, name, score in guesses:
            assert row[int(id[1:])] == score
            assert name == f"class_{int(id[1:])}"
    assert len(decode_predictions(predictions)[0]) == 5


def test_decode_predictions_is_keras_own(keras_home, classes, monkeypatch):
    from keras.src.applications import imagenet_utils as theirs

    place(keras_home, classes)
    monkeypatch.setattr(theirs, "CLASS_INDEX", json.loads(classes))
    predictions = RNG.random((3, 1000)).astype("float32")
    assert decode_predictions(predictions, 7) == theirs.decode_predictions(predictions, 7)


def test_the_classes_are_downloaded(keras_home, classes, web, monkeypatch):
    web.url("/data/imagenet_class_index.json", sends(classes))
    folder = f"http://127.0.0.1:{web.server_port}/data/"
    monkeypatch.setattr(imagenet_utils, "_INDEX", published(classes, folder))
    assert decode_predictions(np.eye(1, 1000, 7))[0][0][1] == "class_7"
    assert (keras_home / "models" / "imagenet_class_index.json").read_bytes() == classes


def test_offline_it_says_which_file_to_put_where(keras_home, classes, closed_port, monkeypatch):
    folder = f"http://127.0.0.1:{closed_port}/"
    monkeypatch.setattr(imagenet_utils, "_INDEX", published(classes, folder))
    expected = f"index.json \\(MD5 [0-9a-f]+\\) into {keras_home / 'models'} by hand"
    with pytest.raises(DownloadError, match=expected):
        decode_predictions(np.zeros((1, 1000)))


def test_a_damaged_list_is_not_used(keras_home, classes):
    place(keras_home, classes[:-1])
    with pytest.raises(CorruptFileError, match=r"imagenet_class_index\.json is damaged"):
        decode_predictions(np.zeros((1, 1000)))


@pytest.mark.parametrize("shape", [(1000,), (2, 10), (1, 7, 7, 512)])
def test_predictions_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"expected predictions \(batch, 1000\)"):
        decode_predictions(np.zeros(shape))


@pytest.mark.parametrize("top", [0, -1, 2.5, "3", None])
def test_top_must_be_positive(top):
    with pytest.raises(ValueError, match=f"at least 1. Received: top={top!r}"):
        decode_predictions(np.zeros((1, 1000)), top=top)


def test_the_published_list_is_keras_own():
    from keras.src.applications import imagenet_utils as theirs

    assert imagenet_utils._INDEX.folder + imagenet_utils._INDEX.name == theirs.CLASS_INDEX_PATH
