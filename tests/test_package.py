"""The package as the book's readers meet it: its programs, its names, its import."""

import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import tinyconv
from tinyconv import layers
from tinyconv.data import digits, fashion_mnist

# The Keras code of the book's chapters 1 and 2, with its last lines as it prints them.
CHAPTER_1 = """
model = keras.Sequential([
    keras.layers.Flatten(input_shape=(28, 28)),
    keras.layers.Dense(128, activation='relu'),
    keras.layers.Dense(10, activation='softmax')
])
model.compile(optimizer='adam',
              loss='sparse_categorical_crossentropy',
              metrics=['accuracy'])
model.fit(train_images, train_labels, epochs=10)
test_loss, test_acc = model.evaluate(test_images, test_labels)
predictions = model.predict(test_images)
img = test_images[1]
img = (np.expand_dims(img,0))
predictions_single = model.predict(img)
"""
CHAPTER_1_CALLBACK = """
class myCallback(tf.keras.callbacks.Callback):
  def on_epoch_end(self, epoch, logs={}):
    if(logs.get('accuracy')>0.9):
      print("\\nReached 90% accuracy so cancelling training!")
      self.model.stop_training = True

fashion_mnist = tf.keras.datasets.fashion_mnist

(x_train, y_train),(x_test, y_test) = fashion_mnist.load_data()
x_train, x_test = x_train / 255.0, x_test / 255.0

callbacks = myCallback()

model = tf.keras.models.Sequential([
  tf.keras.layers.Flatten(input_shape=(28, 28)),
  tf.keras.layers.Dense(512, activation=tf.nn.relu),
  tf.keras.layers.Dense(10, activation=tf.nn.softmax)
])
model.compile(optimizer='adam',
              loss='sparse_categorical_crossentropy',
              metrics=['accuracy'])

history = model.fit(x_train, y_train, epochs=30, callbacks=[callbacks])
model.summary()
"""
CHAPTER_2 = """
model = tf.keras.Sequential([
    tf.keras.layers.Conv2D(32, (3,3), padding='same', activation=tf.nn.relu,
                           input_shape=(28, 28, 1)),
    tf.keras.layers.MaxPooling2D((2, 2), strides=2),
    tf.keras.layers.Conv2D(64, (3,3), padding='same', activation=tf.nn.relu),
    tf.keras.layers.MaxPooling2D((2, 2), strides=2),
    tf.keras.layers.Flatten(),
    tf.keras.layers.Dense(128, activation=tf.nn.relu),
    tf.keras.layers.Dense(10,  activation=tf.nn.softmax)
])
model.compile(optimizer='adam',
              loss='sparse_categorical_crossentropy',
              metrics=['accuracy'])
model.fit(train_images, train_labels, epochs=3)
test_loss, test_accuracy = model.evaluate(test_images, test_labels)
predictions = model.predict(test_images[:32])
model.summary()
"""


@pytest.fixture
def small_data(monkeypatch):
    """Digits of 28 x 28 pixels in place of Fashion-MNIST."""

    def enlarge(images):
        return np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))

    (x, y), (x_test, y_test) = digits.load_data()
    data = (enlarge(x[:320]), y[:320]), (enlarge(x_test[:64]), y_test[:64])
    monkeypatch.setattr(fashion_mnist, "load_data", lambda: data)
    return data


def run_book(program, data, channels=False):
    """Run a chapter with `tf.keras` replaced by tinyconv."""
    (train_images, train_labels), (test_images, test_labels) = data
    scaled = [images / 255.0 for images in (train_images, test_images)]
    if channels:
        scaled = [images[..., None] for images in scaled]
    tf = types.SimpleNamespace(keras=tinyconv, nn=tinyconv.nn)
    names = {
        "tf": tf, "keras": tinyconv, "np": np, "train_images": scaled[0],
        "train_labels": train_labels, "test_images": scaled[1], "test_labels": test_labels,
    }  # fmt: skip
    tinyconv.utils.clear_session()
    tinyconv.utils.set_random_seed(0)
    exec(program, names)
    return types.SimpleNamespace(**names)


def test_chapter_1(small_data):
    book = run_book(CHAPTER_1, small_data)
    assert book.model.count_params() == 101_770
    assert book.test_acc > 0.8
    assert book.predictions.shape == (64, 10)
    right = (book.predictions.argmax(axis=1) == book.test_labels).mean()
    assert right == pytest.approx(book.test_acc)
    assert book.predictions_single.shape == (1, 10)
    np.testing.assert_allclose(book.predictions_single[0], book.predictions[1], rtol=1e-4)
    np.testing.assert_allclose(book.predictions.sum(axis=1), 1, rtol=1e-5)


def test_chapter_1_callback(small_data, capsys):
    book = run_book(CHAPTER_1_CALLBACK, small_data)
    accuracy = book.history.history["accuracy"]
    assert len(accuracy) < 30
    assert accuracy[-1] > 0.9 >= max(accuracy[:-1])
    out = capsys.readouterr().out
    assert out.count("Reached 90% accuracy so cancelling training!") == 1
    for text in ('Model: "sequential"', "401,920", "5,130", "Trainable params: 407,050"):
        assert text in out


def test_chapter_2(small_data, capsys):
    book = run_book(CHAPTER_2, small_data, channels=True)
    assert book.test_accuracy > 0.8
    assert book.predictions.shape == (32, 10)
    out = capsys.readouterr().out
    for text in ("320", "18,496", "401,536", "1,290", "Trainable params: 421,642"):
        assert re.search(rf"\b{text}\b", out), text


# ---- names ----------------------------------------------------------------------


MODULES = ("callbacks", "data", "losses", "models", "optimizers", "explain", "utils", "layers")


@pytest.mark.parametrize("module", ["", *MODULES])
def test_every_public_name_exists(module):
    module = getattr(tinyconv, module) if module else tinyconv
    assert module.__all__ == list(dict.fromkeys(module.__all__))
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("MaxPool2D", "MaxPooling2D"),
        ("AvgPool2D", "AveragePooling2D"),
        ("GlobalAvgPool2D", "GlobalAveragePooling2D"),
        ("GlobalMaxPool2D", "GlobalMaxPooling2D"),
        ("Convolution2D", "Conv2D"),
    ],
)
def test_keras_short_names(alias, name):
    assert getattr(layers, alias) is getattr(layers, name)
    assert {alias, name} <= set(layers.__all__)


def test_spellings_of_tensorflow_2_0():
    assert tinyconv.optimizers.RMSprop(lr=0.0001).learning_rate == 0.0001
    pooling = layers.AveragePooling2D()
    assert pooling(np.arange(16.0).reshape(1, 4, 4, 1)).ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert tinyconv.datasets.fashion_mnist is fashion_mnist
    assert tinyconv.models.Sequential is tinyconv.Sequential


# ---- to_categorical -------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 2, 1, 2], None),
        ([[1], [0], [3]], None),
        (np.array([1, 0], "uint8"), 5),
        ([1.0, 2.0], None),
        (4, None),
        ([[0, 1], [2, 0]], 3),
        ([True, False], None),
    ],
)
def test_to_categorical_is_keras_own(labels, classes):
    keras = pytest.importorskip("keras")
    expected = keras.utils.to_categorical(labels, classes)
    one_hot = tinyconv.utils.to_categorical(labels, classes)
    np.testing.assert_array_equal(one_hot, expected)
    assert one_hot.shape == expected.shape
    assert one_hot.dtype == np.float32


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 3], 3, r"labels must be in \[0, 3\)\. Received: 0 to 3"),
        ([-1, 1], None, r"labels must be in \[0, 2\)\. Received: -1 to 1"),
        ([0.5, 1], None, "labels must be integers.*float64"),
    ],
)
def test_to_categorical_refuses_what_is_no_label(labels, classes, message):
    with pytest.raises(ValueError, match=message):
        tinyconv.utils.to_categorical(labels, classes)


# ---- import ---------------------------------------------------------------------

HEAVY = "numba cupy tensorflow keras torch matplotlib h5py PIL scipy pooch requests typer rich"


def test_import_pulls_in_no_heavy_package_and_says_nothing():
    code = f"import sys, tinyconv; print(sorted(set({HEAVY.split()}) & set(sys.modules)))"
    root = Path(tinyconv.__file__).resolve().parents[1]
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=root, capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("[]\n", "")
