"""Cats vs dogs: 23,262 photographs of pets, in colour and of all sizes, two classes.

They are read through TensorFlow Datasets (TFDS) as a stream: no more than a few
photographs are in memory at a time.

Source: J. Elson, J. Douceur, J. Howell, J. Saul, "Asirra: a CAPTCHA that Exploits
Interest-Aligned Manual Image Categorization", CCS 2007. Microsoft's licence for research.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tinyconv.image import height_width
from tinyconv.saving.errors import naming

CLASS_NAMES = ("cat", "dog")

# Training, validation, test: 80, 10 and 10 percent, always the same photographs.
SPLITS = ("train[:80%]", "train[80%:90%]", "train[90%:]")


def load_data(
    image_size: tuple[int, int] | None = (100, 100),
    data_dir: str | Path | None = None,
    download: bool = False,
) -> tuple[Any, Any, Any]:
    """Three streams: (training, validation, test), `SPLITS` of the data set.

    Arguments, elements and errors are those of `load`.
    """
    train, validation, test = (load(split, image_size, data_dir, download) for split in SPLITS)
    return train, validation, test


def load(
    split: str = "train",
    image_size: tuple[int, int] | None = (100, 100),
    data_dir: str | Path | None = None,
    download: bool = False,
) -> Any:
    """A stream of photographs, always in the same order: a `tf.data.Dataset` of known length.

    Chain `.take(n)`, `.shuffle(1000)`, `.batch(64)` to it as to any other, and give it to `fit`.

    Args:
        split: a part of "train", the only split there is, in the words of TFDS:
            "train[:80%]", "train[:1000]".
        image_size: (height, width) to resize to, bilinearly; None for the files' own bytes.
        data_dir: where TFDS keeps its data sets; None for the environment variable
            TFDS_DATA_DIR, else ~/tensorflow_datasets.
        download: let TFDS download the data set, about 800 MB, if it is missing.

    Returns:
        A dataset of (photograph, label): float32 (height, width, 3) with values 0 to 1, or
        uint8 of any size if `image_size` is None; and an int64 that indexes `CLASS_NAMES`.

    Raises:
        ImportError: if TensorFlow or TFDS is not installed.
        FileNotFoundError: if the data set is missing, saying where it was looked for.
        ValueError: for a split that does not exist, or a size that is none; a FileError (a
            ValueError too) for a folder that is damaged or names files elsewhere. At a damaged
            photograph the stream raises a `tf.errors.OpError`.
    """
    if split is None or isinstance(split, (list, tuple)):
        raise ValueError(
            "cats_vs_dogs: split must name one part; call load for each, or load_data. "
            f"Received: split={split!r}"
        )
    size = None if image_size is None else height_width(image_size, "image_size", "cats_vs_dogs")
    builder = _builder(data_dir, download)
    # TFDS keeps data sets of less than 250 MB in memory, as decoded photographs: ten times that.
    reading = _tfds().ReadConfig(try_autocache=False)
    with naming(Path(builder.data_dir)):
        photographs = builder.as_dataset(split=split, as_supervised=True, read_config=reading)
    if size is None:
        return photographs

    import tensorflow as tf

    def prepare(photograph: Any, label: Any) -> tuple[Any, Any]:
        return tf.image.resize(tf.cast(photograph, tf.float32) / 255.0, size), label

    return photographs.map(prepare, num_parallel_calls=tf.data.AUTOTUNE)


def _builder(data_dir: str | Path | None, download: bool) -> Any:
    tfds = _tfds()
    # TFDS looks at the variable only once, when it is imported.
    folder = data_dir or os.environ.get("TFDS_DATA_DIR") or None
    with naming(Path(folder or "~/tensorflow_datasets", "cats_vs_dogs")):
        builder = tfds.builder("cats_vs_dogs", data_dir=folder)
        _check_places(builder)
    if download:
        builder.download_and_prepare()
    if not builder.info.splits:
        raise FileNotFoundError(
            f"cats_vs_dogs is not in {builder.data_dir}. Call with download=True to let "
            "TensorFlow Datasets download it there (about 800 MB), or set TFDS_DATA_DIR "
            "to the folder that holds cats_vs_dogs."
        )
    return builder


def _check_places(builder: Any) -> None:
    """Raise ValueError if the folder says that its files are elsewhere, or holds links to such."""
    home = str(builder.data_dir)
    if "://" in home:
        return  # a bucket, which has no links
    for split in builder.info.splits.values():
        for path in map(Path, split.filepaths):
            if path.resolve().parent != Path(home).resolve():
                raise ValueError(f"{path} is not in the folder of the data set: refused")


def _tfds() -> Any:
    try:
        import tensorflow  # noqa: F401  (TFDS itself fails in a less clear way without it)
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f'cats_vs_dogs is read by TensorFlow Datasets: pip install "tinyconv[tf]" ({error})'
        ) from error
    return tfds
