"""The book's programs run with `tf.keras` replaced by `tinyconv`, and learn."""

import functools
import re

import numpy as np
import pytest
import tensorflow_datasets as tfds

import tinyconv
from tests.book.run import run
from tinyconv.applications import resnet50, vgg16
from tinyconv.data import fashion_mnist

# Keras' own arrays, with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.fixture(autouse=True)
def book(tmp_path, monkeypatch, tfds_folder):
    """A notebook's surroundings: a folder of its own, pictures that nobody waits for, data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr(tfds, "load", functools.partial(tfds.load, data_dir=tfds_folder))
    small = [
        tuple(map(np.concatenate, zip(*[(x[None], [y]) for x, y in split], strict=True)))
        for split in tfds.as_numpy(
            tfds.load("fashion_mnist", split=["train", "test"], as_supervised=True)
        )
    ]
    images = [(images[..., 0], labels.astype("uint8")) for images, labels in small]
    monkeypatch.setattr(fashion_mnist, "load_data", lambda: images)


def test_chapter_1():
    book = run("chapter_1")
    assert book.model.count_params() == 101_770
    assert book.test_acc > 0.8
    assert book.predictions.shape == (64, 10)
    np.testing.assert_allclose(book.predictions.sum(axis=1), 1, rtol=1e-5)
    right = (book.predictions.argmax(axis=1) == book.test_labels).mean()
    assert right == pytest.approx(book.test_acc)
    assert book.predictions_single.shape == (1, 10)
    np.testing.assert_allclose(book.predictions_single[0], book.predictions[1], rtol=1e-4)


def test_chapter_1_stops_at_90_percent(capsys):
    book = run("chapter_1_callback", {"epochs=10": "epochs=30"})
    accuracy = book.model.history.history["accuracy"]
    assert len(accuracy) < 30
    assert accuracy[-1] > 0.9 >= max(accuracy[:-1])
    out = capsys.readouterr().out
    assert out.count("Reached 90% accuracy so cancelling training!") == 1
    for text in ('Model: "sequential"', "401,920", "5,130", "Trainable params: 407,050"):
        assert text in out


def test_chapter_2(capsys):
    book = run("chapter_2")
    assert len(book.model.history.history["accuracy"]) == 10
    assert book.test_accuracy > 0.8
    assert book.predictions.shape == (32, 10)
    assert (book.predictions.argmax(axis=1) == book.test_labels).mean() > 0.75
    out = capsys.readouterr().out
    assert "Number of training examples: 320" in out
    for text in ("320", "18,496", "401,536", "1,290", "Trainable params: 421,642"):
        assert re.search(rf"\b{text}\b", out), text


@pytest.fixture
def sample_image(tmp_path):
    """A dog, as the made-up photographs have it: bluish."""
    pixels = np.random.default_rng(0).integers(0, 156, (300, 200, 3))
    pixels[..., 2] += 100
    tinyconv.utils.save_img(tmp_path / "sample_image.jpg", pixels, scale=False)
    return tmp_path / "sample_image.jpg"


SMALL = {
    "23262//TRAIN_BATCH_SIZE": "64//TRAIN_BATCH_SIZE",
    "TRAIN_BATCH_SIZE = 64": "TRAIN_BATCH_SIZE = 16",
    "batch(1000)": "batch(8)",
    "validation_steps=10": "validation_steps=1",
    "epochs=7": "epochs=3",
    "epochs=10": "epochs=4",
}


def test_chapter_3(sample_image, tmp_path, capsys):
    # What the chapter ends with: 0..255 where 0..1 was learnt, and an answer all the same.
    with pytest.warns(tinyconv.InputScaleWarning, match="divide by 255"):
        book = run("chapter_3", SMALL)
    models = [book.pool_model, book.standard_model, book.standard_model_with_do]
    assert [model.count_params() for model in models] == [30_753, 705_453, 705_453]
    assert all(model.layers[0] is book.head for model in models)
    for model, epochs in zip(models, (3, 4, 3), strict=True):
        history = model.history.history
        assert set(history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
        assert {len(values) for values in history.values()} == {epochs}
    assert book.pool_model.history.history["accuracy"][-1] > 0.9
    assert book.standard_model.history.history["accuracy"][-1] > 0.9

    # One folder a training, unless two began in the same second.
    for part in ("train", "validation"):
        assert list(tmp_path.glob(f"log/*/{part}/events.out.tfevents.*"))

    loaded = tinyconv.models.load_model("gap_model.h5")
    photographs = np.random.default_rng(0).random((4, 100, 100, 3), "float32")
    np.testing.assert_allclose(
        loaded.predict(photographs), book.pool_model.predict(photographs), rtol=1e-6
    )
    shown = book.load_image("sample_image.jpg")
    assert shown.shape == (1, 100, 100, 3)
    assert shown.max() > 200
    answer = float(re.findall(r"^\[([\d.e-]+)\]$", capsys.readouterr().out, re.MULTILINE)[-1])
    with pytest.warns(tinyconv.InputScaleWarning):
        assert answer == pytest.approx(float(loaded.predict(shown)[0, 0]), rel=1e-3)


@pytest.fixture
def keras():
    """Keras itself, which makes the weights and says what they make of a photograph."""
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(1)
    return keras


@pytest.fixture
def vgg(keras, keras_folder):
    """Keras' VGG16 without its top; its weights are those that tinyconv takes for ImageNet's."""
    model = keras.applications.VGG16(weights=None, include_top=False)
    for weight in model.weights:
        weight.assign(weight * 2**0.5)  # else the signal fades from layer to layer
    keras_folder.put_weights(vgg16.NETWORK, False, model)
    return model


@pytest.fixture
def elephant(tmp_path):
    """Grey, with spots."""
    pixels = np.random.default_rng(0).integers(60, 120, (300, 400, 1)).repeat(3, axis=2)
    pixels[::7, ::5, 0] = 250
    tinyconv.utils.save_img(tmp_path / "elephant.jpeg", pixels, scale=False)


MEANS = np.float32([103.939, 116.779, 123.68])


def test_chapter_4(keras, keras_folder, elephant, capsys):
    theirs = keras.applications.ResNet50(weights=None)
    keras_folder.put_weights(resnet50.NETWORK, True, theirs)
    keras_folder.put_class_names()
    book = run("chapter_4")
    assert book.img.size == (224, 224)
    np.testing.assert_array_equal(book.x[0, 0, 0], book.img_array[0, 0, ::-1] - MEANS)
    expected = theirs.predict(book.x, verbose=0)
    assert expected.max() < 0.99  # or any other prediction would be as near
    np.testing.assert_allclose(book.preds, expected, atol=1e-5)
    best = expected[0].argsort()[:-4:-1]
    named = book.dpred(book.preds, top=3)[0]
    assert [name for _, name, _ in named] == [f"class_{number}" for number in best]
    out = capsys.readouterr().out
    for text in ('Model: "resnet50"', "25,636,712", "25,583,592", "53,120"):
        assert text in out


def test_chapter_4_features(vgg, elephant, capsys):
    book = run("chapter_4_features")
    assert book.features.shape == (1, 7, 7, 512)
    expected = vgg.predict(book.x, verbose=0)
    np.testing.assert_allclose(book.features, expected, atol=1e-5 * expected.max())
    assert str(book.features) in capsys.readouterr().out


FEW = {
    "IMAGE_SIZE = 160": "IMAGE_SIZE = 48",
    "initial_epochs = 10": "initial_epochs = 4",
    "fine_tune_epochs = 10": "fine_tune_epochs = 3",
}


def test_chapter_5(vgg, tmp_path, capsys):
    # There are fewer photographs here than the steps that the chapter asks for.
    with pytest.warns(UserWarning, match="ran out after 1 of 20 steps"):
        book = run("chapter_5", FEW)
    assert book.standard_model.history.history["accuracy"][-1] > 0.9
    assert book.fine_tuning.history["accuracy"][-1] > 0.9
    assert book.fine_tuning.history["val_accuracy"][-1] > 0.8
    assert (book.history.epoch, book.fine_tuning.epoch) == ([0, 1, 2, 3], [4, 5, 6])
    assert [trainable for *_, trainable in book.layer_vgg] == [False] * 19
    assert [trainable for *_, trainable in book.layer_vgg2] == [False] * 11 + [True] * 8
    out = capsys.readouterr().out
    assert "Trainable layers: []" in out
    for text in ("params: 14,715,201", "params: 513 ", "12,979,713", "1,735,488"):
        assert text in out
    for folder in ("standard_model", "transer_learning_model", "transer_learning_fine_tuning"):
        assert list(tmp_path.glob(f"log/{folder}/train/events.out.tfevents.*"))

    # The first training leaves VGG16 as it was, the second changes blocks 4 and 5 of it.
    loaded = tinyconv.models.load_model("cats_dogs_tlearn.h5")
    for weight, first, last in zip(
        vgg.weights, loaded.layers[0].weights, book.vgg.weights, strict=True
    ):
        np.testing.assert_array_equal(first.numpy(), weight.numpy())
        tuned = weight.path.startswith(("block4", "block5"))
        assert np.array_equal(last.numpy(), weight.numpy()) != tuned, weight.path
