"""`tinyconv warmup`: compile now what would otherwise be compiled when it is first used.

Kernels are chosen by the shapes that they compute with. So the book's networks are run, at
the size that the book runs them, on noise: a step of training, and predictions for one
image and for several.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import tinyconv
from tinyconv import layers
from tinyconv.cli import networks
from tinyconv.models import Sequential


def warmup() -> None:
    """Compile the kernels of the book's networks, which takes a minute or two, and keep them."""
    from tinyconv.backends.numba import cpu, kernel_cache

    folder = kernel_cache.folder()
    print(f"Compiling for {cpu.vector().name} on {tinyconv.get_num_threads()} threads", flush=True)
    began, before = time.perf_counter(), count(folder)
    with tinyconv.use_backend("numba"):
        for name, run in NETWORKS.items():
            print(f"  {name:<36}", end="", flush=True)
            started, already = time.perf_counter(), count(folder)
            run()
            seconds, compiled = time.perf_counter() - started, count(folder) - already
            print(f"{seconds:6.1f} s {compiled:4d} new kernels", flush=True)
    seconds, compiled = time.perf_counter() - began, count(folder) - before
    if folder.is_dir():
        print(f"{compiled} kernels compiled in {seconds:.0f} s, kept in {folder}")
    else:
        print(
            f"Compiled in {seconds:.0f} s, but for this process only: no folder to keep kernels in "
            "can be written to. NUMBA_CACHE_DIR names one."
        )


def count(folder: Path) -> int:
    return len(list(folder.glob("*.kernel")))


def cats_vs_dogs() -> Sequential:
    """The book's network with batch normalization."""
    hidden: list[layers.Layer] = []
    for filters in (32, 32, 64):
        hidden += [layers.Conv2D(filters, 3), layers.BatchNormalization()]
        hidden += [layers.Activation("relu"), layers.MaxPooling2D(2)]
    top = [layers.GlobalAveragePooling2D(), layers.Dense(1, activation="sigmoid")]
    return Sequential([tinyconv.Input((100, 100, 3)), *hidden, *top])


def vgg16_fine_tuning() -> Sequential:
    """VGG16 whose blocks 4 and 5 learn, under a new top."""
    base = tinyconv.applications.vgg16.VGG16(False, None, input_shape=(160, 160, 3))
    for layer in base.layers:
        layer.trainable = layer.name.startswith(("block4", "block5"))
    top = [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5)]
    return Sequential([base, *top, layers.Dense(1, activation="sigmoid")])


def train(
    model: Sequential, shape: tuple[int, ...], classes: int, optimizer: str, batch: int
) -> None:
    """A step of training, an evaluation, and predictions for one image and for a batch."""
    loss = "binary_crossentropy" if classes == 1 else "sparse_categorical_crossentropy"
    model.compile(optimizer, loss, metrics=["accuracy"])
    x = np.random.default_rng(0).random((batch, *shape), np.float32)
    y = np.arange(batch) % max(classes, 2)
    model.fit(x, y, batch_size=batch, verbose=0)
    model.evaluate(x, y, batch_size=batch, verbose=0)
    predict(model, shape, batch)


def predict(model: tinyconv.Model, shape: tuple[int, ...], batch: int) -> None:
    x = np.random.default_rng(0).random((batch, *shape), np.float32)
    model.predict(x[:1], verbose=0)
    model.predict(x, verbose=0)


SMALL, PHOTO = (28, 28, 1), (160, 160, 3)
NETWORKS: dict[str, Callable[[], None]] = {
    "Fashion-MNIST, dense": lambda: train(networks.dense(SMALL, 10), SMALL, 10, "adam", 32),
    "Fashion-MNIST, convolutions": lambda: train(networks.cnn(SMALL, 10), SMALL, 10, "adam", 32),
    "cats and dogs": lambda: train(cats_vs_dogs(), (100, 100, 3), 1, "adam", 32),
    "cats and dogs, VGG16 fine-tuned": lambda: train(vgg16_fine_tuning(), PHOTO, 1, "rmsprop", 8),
    "ImageNet, ResNet-50": lambda: predict(
        tinyconv.applications.resnet50.ResNet50(weights=None), (224, 224, 3), 2
    ),
}
