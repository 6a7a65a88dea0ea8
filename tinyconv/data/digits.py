"""1,797 real handwritten digits, 8 x 8 pixels, which travel with this package.

Small enough to learn on in seconds and without a network. These are the test images
of "Optical Recognition of Handwritten Digits": 13 people filled in a form, 32 x 32
bitmaps of their digits were cut into blocks of 4 x 4, and a pixel here is the number
of black dots in a block, 0 to 16.

Source: E. Alpaydin, C. Kaynak (1998), UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49, in the selection and order of
`sklearn.datasets.load_digits()`. Licence: CC BY 4.0.
Changed here: stored as bytes, and mapped to grey values when loaded.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from tinyconv.data.idx_set import Split

CLASS_NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

_TRAIN = 1437
_DOTS = 16


def load_data() -> tuple[Split, Split]:
    """Load the digits; needs no network.

    The split is fixed: the first 1,437 images are for training, the last 360 for test.
    A grey value is round(255 * dots / 16), so that it spans 0 to 255 as in MNIST.

    Returns:
        (x_train, y_train), (x_test, y_test): images (1437, 8, 8) and (360, 8, 8) with
        grey values 0 to 255, 0 being the background, and labels (1437,) and (360,)
        with values 0 to 9. All uint8.
    """
    with (
        resources.files("tinyconv.data").joinpath("digits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        dots, labels = arrays["images"], arrays["labels"]
    images = np.rint(dots * (255 / _DOTS)).astype(np.uint8)
    return (images[:_TRAIN], labels[:_TRAIN]), (images[_TRAIN:], labels[_TRAIN:])
