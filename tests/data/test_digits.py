"""The digits in the package: the right ones, in the right order, and nothing but bytes."""

from __future__ import annotations

import hashlib
from importlib import resources

import numpy as np

from tinyconv.data import digits


def test_shapes_and_types() -> None:
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert (x_train.shape, y_train.shape) == ((1437, 8, 8), (1437,))
    assert (x_test.shape, y_test.shape) == ((360, 8, 8), (360,))
    assert {array.dtype.name for array in (x_train, y_train, x_test, y_test)} == {"uint8"}


def test_counts_per_class() -> None:
    (_, y_train), (_, y_test) = digits.load_data()
    assert np.bincount(y_train).tolist() == [143, 146, 142, 146, 144, 145, 144, 143, 141, 143]
    assert np.bincount(y_test).tolist() == [35, 36, 35, 37, 37, 37, 37, 36, 33, 37]
    assert y_train[:10].tolist() == list(range(10))


def test_first_image_is_the_first_of_scikit_learn() -> None:
    (x_train, _), _ = digits.load_data()
    dots = np.array(
        [
            [0, 0, 5, 13, 9, 1, 0, 0],
            [0, 0, 13, 15, 10, 15, 5, 0],
            [0, 3, 15, 2, 0, 11, 8, 0],
            [0, 4, 12, 0, 0, 8, 8, 0],
            [0, 5, 8, 0, 0, 9, 8, 0],
            [0, 4, 11, 0, 1, 12, 7, 0],
            [0, 2, 14, 5, 10, 12, 0, 0],
            [0, 0, 6, 13, 10, 0, 0, 0],
        ]
    )
    assert x_train[0].tolist() == np.rint(dots * 255 / 16).astype(int).tolist()
    assert (x_train.min(), x_train.max()) == (0, 255)


def test_all_images_are_those_of_scikit_learn() -> None:
    """MD5 of the bytes of load_digits().images as uint8, and of its labels."""
    with resources.files("tinyconv.data").joinpath("digits.npz").open("rb") as file:
        arrays = np.load(file, allow_pickle=False)
        images, labels = arrays["images"], arrays["labels"]
    assert hashlib.md5(images.tobytes()).hexdigest() == "fa70cba135d4cdd4cde65da70dbffde2"
    assert hashlib.md5(labels.tobytes()).hexdigest() == "96ecbac7ce6c9c7e9f9f82160cffba40"
