"""Fashion-MNIST: 70,000 photographs of clothes, 28 x 28 pixels, ten classes.

Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms", arXiv:1708.07747. Licence: MIT, Zalando SE.
"""

from __future__ import annotations

from tinyconv.data.cache import keras_home
from tinyconv.data.idx_set import IdxFile, IdxSet, Split, load_idx_set

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    # Zalando's own address speaks only http; the checksums make up for it.
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)

FILES = IdxSet(
    IdxFile("train-images-idx3-ubyte.gz", (60000, 28, 28), "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
    IdxFile("train-labels-idx1-ubyte.gz", (60000,), "9018921c3c673c538a1fc5bad174d6f9"),
    IdxFile("t10k-images-idx3-ubyte.gz", (10000, 28, 28), "8181f5470baa50b63fa0f6fddb340f0a"),
    IdxFile("t10k-labels-idx1-ubyte.gz", (10000,), "15d484375f8d13e6eb1aabb0c3f46965"),
)


def load_data() -> tuple[Split, Split]:
    """Load Fashion-MNIST as `keras.datasets.fashion_mnist.load_data()` does.

    The files are looked for in Keras' folder, `datasets/fashion-mnist` under
    KERAS_HOME or ~/.keras, and downloaded to it if they are missing.

    Returns:
        (x_train, y_train), (x_test, y_test): images (60000, 28, 28) and (10000, 28, 28)
        with grey values 0 to 255, 0 being the background, and labels (60000,) and
        (10000,) with values 0 to 9, which index `CLASS_NAMES`. All uint8.

    Raises:
        CorruptFileError: if a file in the folder is damaged.
        DownloadError: if a missing file cannot be downloaded; within ten seconds
            where there is no network.
    """
    return load_idx_set(FILES, keras_home() / "datasets" / "fashion-mnist", MIRRORS)
