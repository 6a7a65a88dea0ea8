"""What the tests of files share: small models, data, and a look at what a model is."""

from __future__ import annotations

import zipfile

import numpy as np

import tinyconv
from tinyconv import layers

RNG = np.random.default_rng(0)
IMAGES = RNG.random((4, 8, 8, 3)).astype("float32")
TARGETS = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], "float32")


def network(trained: bool = True) -> tinyconv.Model:
    """A convolution, a nested model with BatchNormalization, Adam."""
    block = tinyconv.Sequential(
        [
            tinyconv.Input((6, 6, 2)),
            layers.Conv2D(3, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
        ],
        name="block",
    )
    parts = [layers.Conv2D(2, 3, name="stem"), block, layers.Flatten(), layers.Dense(2)]
    model = tinyconv.Sequential([tinyconv.Input((8, 8, 3)), *parts], name="net")
    model.compile("adam", "mse", metrics=["accuracy"])
    if trained:
        model.train_on_batch(IMAGES, TARGETS)
    return model


def graph() -> tinyconv.Model:
    """Two inputs, a shared layer, a merge, two outputs, SGD with momentum."""
    left, right = tinyconv.Input((3,), name="left"), tinyconv.Input((3,), name="right")
    shared = layers.Dense(4, name="shared")
    both = layers.Concatenate()([shared(left), shared(right)])
    outputs = [layers.Dense(1, name="one")(both), layers.Dense(2, name="two")(both)]
    model = tinyconv.Model([left, right], outputs, name="graph")
    model.compile(tinyconv.optimizers.SGD(0.1, momentum=0.9), ["mse", "mse"])
    return model


def same_weights(model: tinyconv.Model, weights: list[np.ndarray]) -> bool:
    """Whether every weight is bit for bit the one given."""
    pairs = zip(model.get_weights(), weights, strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def archive_of(path, entries, compression=zipfile.ZIP_STORED):
    """A zip archive with these entries."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path
