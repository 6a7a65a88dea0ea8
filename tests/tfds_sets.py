"""Small data sets in the real format of TensorFlow Datasets, learnable at a glance."""

from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from tinyconv.data import digits


def write_cats_vs_dogs(folder: Path, count: int) -> None:
    """`count` photographs, as many cats as dogs: noise, reddish for cats, bluish for dogs."""
    rng = np.random.default_rng(3)
    examples = []
    for number in range(count):
        label = number % 2
        pixels = rng.integers(0, 156, (*rng.integers(20, 131, 2), 3))
        pixels[..., 2 * label] += 100
        photograph = pixels.astype("uint8")
        examples.append(
            {"image": photograph, "image/filename": f"{number}.jpg", "label": label},
        )
    features = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "image/filename": tfds.features.Text(),
        "label": tfds.features.ClassLabel(names=["cat", "dog"]),
    }
    _write(folder, "cats_vs_dogs", features, {"train": examples})


def write_fashion_mnist(folder: Path, train: int, test: int) -> None:
    """The first of the handwritten digits, 28 x 28 pixels, in place of clothes."""
    parts = zip(("train", "test"), digits.load_data(), (train, test), strict=True)
    splits = {}
    for split, (images, labels), count in parts:
        large = np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
        pairs = zip(large[:count, ..., None], labels[:count], strict=True)
        splits[split] = [{"image": image, "label": int(label)} for image, label in pairs]
    features = {
        "image": tfds.features.Image(shape=(28, 28, 1)),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    _write(folder, "fashion_mnist", features, splits)


def _write(folder: Path, name: str, features: dict, splits: dict[str, list]) -> None:
    """To where `TFDS_DATA_DIR=folder` and `tfds.load(name)` find it."""
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        version=str(tfds.builder_cls(name).VERSION),
        features=tfds.features.FeaturesDict(features),
        split_datasets={split: list(enumerate(examples)) for split, examples in splits.items()},
        data_dir=folder,
    )
