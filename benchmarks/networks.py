"""The networks that are measured, in Keras' words: by tinyconv or by Keras.

`torch_networks` has the same ones for PyTorch.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import numpy as np

TAILS = ("average pooling", "flatten + dense", "flatten + dense + dropout")
FINE_TUNED = ("block4", "block5")  # of VGG16; the blocks before stay as they are


class Work(NamedTuple):
    """What a network is fed with, and how it is trained.

    Attributes:
        shape: of an image.
        classes: 1 for yes or no.
        optimizer: "adam" or "rmsprop".
        rate: of learning; None for the optimizer's own.
    """

    shape: tuple[int, int, int]
    classes: int
    optimizer: str = "adam"
    rate: float | None = None


WORK = {
    "dense": Work((28, 28, 1), 10),
    "cnn": Work((28, 28, 1), 10),
    "cats vs dogs": Work((100, 100, 3), 1),
    "vgg16 fine-tuning": Work((160, 160, 3), 1, "rmsprop", 1e-5),
    "vgg16": Work((160, 160, 3), 0),
    "resnet50": Work((224, 224, 3), 1000),
}


def build(library: str, network: str, shape: tuple[int, int, int] | None = None) -> Any:
    """A network of `WORK` by "tinyconv" or "keras", not compiled."""
    module = importlib.import_module(library)
    shape = shape or WORK[network].shape
    if network == "vgg16":
        return _application(library, "vgg16", "VGG16")(False, None, input_shape=shape)
    if network == "resnet50":
        return _application(library, "resnet50", "ResNet50")(True, None, input_shape=shape)
    if network == "vgg16 fine-tuning":
        return _fine_tuning(module, build(library, "vgg16", shape))
    if network == "cats vs dogs":
        return cats_vs_dogs(module, TAILS[0], shape)
    return _fashion(module, network, shape)


def _application(library: str, module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"{library}.applications.{module}"), name)


def _fashion(library: Any, network: str, shape: tuple[int, int, int]) -> Any:
    """The two networks of the book for Fashion-MNIST."""
    layers = library.layers
    head = [layers.Flatten(), layers.Dense(128, activation="relu")]
    body = []
    if network == "cnn":
        for filters in (32, 64):
            body.append(layers.Conv2D(filters, 3, padding="same", activation="relu"))
            body.append(layers.MaxPooling2D(2, strides=2))
    output = layers.Dense(10, activation="softmax")
    return library.Sequential([library.Input(shape), *body, *head, output])


def cats_vs_dogs(library: Any, tail: str, shape: tuple[int, int, int]) -> Any:
    """The head of three convolutions with one of the book's tails."""
    layers = library.layers
    head: list[Any] = [library.Input(shape)]
    for filters in (32, 32, 64):
        head += [layers.Conv2D(filters, 3), layers.BatchNormalization()]
        head += [layers.Activation("relu"), layers.MaxPooling2D(2)]
    if tail == "average pooling":
        end = [layers.AveragePooling2D(2), layers.Flatten(), layers.Dense(1, activation="sigmoid")]
        return library.Sequential([*head, *end])
    drop = [layers.Dropout(0.5)] if "dropout" in tail else []
    end = [
        layers.Flatten(), layers.BatchNormalization(),
        layers.Dense(100), layers.Activation("relu"), *drop, layers.BatchNormalization(),
        layers.Dense(100), layers.Activation("relu"),
        layers.Dense(1), layers.Activation("sigmoid"),
    ]  # fmt: skip
    return library.Sequential([*head, *end])


def _fine_tuning(library: Any, base: Any) -> Any:
    """VGG16 with a head of one neuron; only its last blocks and the head are trained."""
    for layer in base.layers:
        layer.trainable = layer.name.startswith(FINE_TUNED)
    layers = library.layers
    head = [layers.GlobalAveragePooling2D(), layers.Dense(1, activation="sigmoid")]
    return library.Sequential([library.Input(base.input_shape[1:]), base, *head])


def images(shape: tuple[int, int, int], count: int) -> np.ndarray:
    """The same random ones for everybody, float32 (count, height, width, channels), 0 to 1."""
    return np.random.default_rng(0).random((count, *shape), dtype=np.float32)


def labels(classes: int, count: int) -> np.ndarray:
    """The same random ones for everybody, int64 (count,); two of them where classes is 1."""
    return np.random.default_rng(1).integers(0, max(classes, 2), count)
