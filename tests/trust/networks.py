"""Networks and data of the campaigns: small, and between them every kind of block."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv import Input, Model, Sequential, layers

SHAPE, CLASSES = (12, 12, 8), 5


def plain() -> Model:
    """Convolutions that Winograd computes, normalised, pooled; dropout."""
    return Sequential([
        Input(SHAPE),
        layers.Conv2D(16, 3, padding="same", use_bias=False), layers.BatchNormalization(),
        layers.ReLU(), layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2), layers.Dropout(0.3, seed=1), layers.Flatten(),
        layers.Dense(32, activation="relu"), layers.Dropout(0.3, seed=2),
        layers.Dense(CLASSES, activation="softmax"),
    ])  # fmt: skip


def late() -> Model:
    """Built by the first batch: nobody has told it the shape of its input."""
    return Sequential([
        layers.Conv2D(12, 3, strides=2), layers.BatchNormalization(), layers.Activation("tanh"),
        layers.Conv2D(12, 1), layers.GlobalAveragePooling2D(),
        layers.Dense(CLASSES, activation="softmax"),
    ])  # fmt: skip


def graph() -> Model:
    """Branches that are added and concatenated, one layer called twice."""
    x = Input(SHAPE)
    twice = layers.Conv2D(8, 3, padding="same", activation="relu")
    y = layers.BatchNormalization()(twice(twice(x)))
    sum_ = layers.ReLU()(layers.Add()([x, y]))
    pooled = layers.AveragePooling2D(2)(layers.Concatenate()([sum_, layers.Conv2D(4, 1)(x)]))
    top = layers.Dense(CLASSES, activation="softmax")(layers.GlobalMaxPooling2D()(pooled))
    return Model(x, top)


NETWORKS = {"plain": plain, "late": late, "graph": graph}


def drawn(seed: int) -> Model:
    """A chain of layers that nobody has thought of."""
    rng = np.random.default_rng(seed)
    chain: list[Any] = [Input(SHAPE)]
    for _ in range(int(rng.integers(1, 5))):
        filters, size = int(rng.integers(1, 33)), int(rng.integers(1, 5))
        activation = str(rng.choice(["relu", "linear", "tanh", "elu"]))
        chain.append(
            layers.Conv2D(
                filters, size, int(rng.integers(1, 3)), "same", activation=activation,
                use_bias=bool(rng.integers(2)),
            )
        )  # fmt: skip
        more = [
            layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.4, seed=seed),
            layers.MaxPooling2D(2, padding="same"), layers.AveragePooling2D(2, padding="same"),
        ]  # fmt: skip
        chain += [layer for layer in more if rng.random() < 0.4]
    end = layers.GlobalAveragePooling2D() if rng.integers(2) else layers.Flatten()
    return Sequential([*chain, end, layers.Dense(CLASSES, activation="softmax")])


def settle(model: Model, seed: int) -> Model:
    """Weights that depend on the seed alone; no moving statistic is 0 or 1."""
    model.build((None, *SHAPE))
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        values = 0.2 * rng.standard_normal(weight.shape)
        weight.assign(0.5 + abs(values) if weight.name == "moving_variance" else values)
    return model


def images(count: int, seed: int) -> np.ndarray:
    """(count, 12, 12, 8), float32."""
    return np.random.default_rng(seed).standard_normal((count, *SHAPE)).astype("float32")


def labels(count: int, seed: int) -> np.ndarray:
    """(count,)."""
    return np.random.default_rng(seed).integers(0, CLASSES, count)
