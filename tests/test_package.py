"""The package as the book's readers meet it: its names, its import; tests/book has its programs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyconv
from tinyconv import layers
from tinyconv.data import fashion_mnist

# ---- names ----------------------------------------------------------------------


MODULES = (
    "callbacks",
    "data",
    "losses",
    "models",
    "optimizers",
    "explain",
    "utils",
    "layers",
    "image",
    "preprocessing",
    "datasets",
)


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
