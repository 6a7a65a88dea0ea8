"""MNIST: 70,000 handwritten digits, 28 x 28 pixels.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to
Document Recognition", Proc. IEEE 86(11), 1998. Licence: CC BY-SA 3.0, Y. LeCun and C. Cortes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tinyconv.data.cache import keras_home, verify
from tinyconv.data.download import PATIENCE, DownloadError, fetch
from tinyconv.data.idx_set import IdxFile, IdxSet, Split, load_idx_set

CLASS_NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

# Keras' own file: all four arrays in one archive.
URLS = ("https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",)
CHECKSUM = "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"

# The original files, where Keras' own cannot be had.
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = IdxSet(
    IdxFile("train-images-idx3-ubyte.gz", (60000, 28, 28), "6bbc9ace898e44ae57da46a324031adb"),
    IdxFile("train-labels-idx1-ubyte.gz", (60000,), "a25bea736e30d166cdddb491f175f624"),
    IdxFile("t10k-images-idx3-ubyte.gz", (10000, 28, 28), "2646ac647ad5339dbf082846283269ea"),
    IdxFile("t10k-labels-idx1-ubyte.gz", (10000,), "27ae3e4e09519cfbb04c329615203637"),
)


def load_data(path: str = "mnist.npz") -> tuple[Split, Split]:
    """Load MNIST as `keras.datasets.mnist.load_data()` does.

    Args:
        path: name of Keras' file, relative to `datasets` under KERAS_HOME or ~/.keras.

    The file is downloaded if it is missing. Where it cannot be had, the four
    original files take its place: they are kept in `datasets/mnist` beside it.

    Returns:
        (x_train, y_train), (x_test, y_test): images (60000, 28, 28) and (10000, 28, 28)
        with grey values 0 to 255, 0 being the background, and labels (60000,) and
        (10000,) with values 0 to 9. All uint8.

    Raises:
        CorruptFileError: if a file in the folder is damaged.
        DownloadError: if nothing can be downloaded; within ten seconds where there
            is no network.
    """
    datasets = keras_home() / "datasets"
    archive, folder = datasets / path, datasets / "mnist"
    if archive.exists():
        verify(archive, CHECKSUM)
        return _read(archive)
    if all((folder / file.name).exists() for file in FILES):
        return load_idx_set(FILES, folder, MIRRORS)
    # Two attempts, one promise: together they take no longer than one would.
    patience = PATIENCE / 2
    by_hand = f"{archive.name} into {archive.parent}"
    try:
        return _read(fetch(URLS, archive, CHECKSUM, by_hand=by_hand, patience=patience))
    except DownloadError as first:
        try:
            return load_idx_set(FILES, folder, MIRRORS, patience)
        except DownloadError as second:
            tried = first.tried | second.tried
            raise DownloadError(archive, tried, f"{by_hand}, or {second.by_hand}") from None


def _read(archive: Path) -> tuple[Split, Split]:
    with np.load(archive, allow_pickle=False) as arrays:
        return (
            (arrays["x_train"], arrays["y_train"]),
            (arrays["x_test"], arrays["y_test"]),
        )
