"""The two networks that `tinyconv train` knows: those of the book's first chapters."""

from __future__ import annotations

from collections.abc import Callable

from tinyconv import layers
from tinyconv.models import Sequential


def dense(image_shape: tuple[int, ...], classes: int) -> Sequential:
    """128 hidden units."""
    return Sequential(
        [
            layers.Flatten(input_shape=image_shape),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes, activation="softmax"),
        ],
        name="dense_network",
    )


def cnn(image_shape: tuple[int, ...], classes: int) -> Sequential:
    """Two convolutions with pooling, then 128 hidden units."""
    return Sequential(
        [
            layers.Conv2D(32, (3, 3), padding="same", activation="relu", input_shape=image_shape),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Conv2D(64, (3, 3), padding="same", activation="relu"),
            layers.MaxPooling2D((2, 2), strides=2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(classes, activation="softmax"),
        ],
        name="cnn",
    )


NETWORKS: dict[str, Callable[[tuple[int, ...], int], Sequential]] = {"cnn": cnn, "dense": dense}
