"""The book's programs run with `tf.keras` replaced by `tinyconv`, and learn."""

import functools
import re

import numpy as np
import pytest
import tensorflow_datasets as tfds

import tinyconv
from tests.book.run import run
from tinyconv.data import fashion_mnist


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
