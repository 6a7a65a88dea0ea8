"""The models that go from one library to the other, and what each is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from parity.data import Array

_BATCH = 8  # samples


class Trip(NamedTuple):
    """A model and what it is trained on.

    Attributes:
        build: makes it, compiled, with either library.
        inputs: shapes of one sample of each input.
        classes: for each output how many there are; 0 for a number to be met.
        dtype: of everything.
        trains_alike: False where the libraries draw different random numbers.
    """

    build: Callable[[Any], Any]
    inputs: Sequence[tuple[int, ...]]
    classes: Sequence[int]
    dtype: str = "float32"
    trains_alike: bool = True


def _dense(lib: Any) -> Any:
    layers = lib.layers
    model = lib.Sequential(
        [
            lib.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(32, activation="relu", kernel_regularizer=lib.regularizers.L2(1e-3)),
            layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = lib.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _cnn(lib: Any) -> Any:
    layers = lib.layers
    model = lib.Sequential(
        [
            lib.Input((16, 16, 1)),
            layers.Conv2D(8, 3, activation="relu", padding="same", strides=2),
            layers.MaxPooling2D(2),
            layers.ZeroPadding2D(1),
            layers.Conv2D(8, (3, 2), use_bias=False, kernel_initializer="he_normal"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(16, activation="elu"),
            layers.Dense(10),
        ]
    )
    loss = lib.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(lib.optimizers.Adam(1e-3, amsgrad=True), loss, metrics=["accuracy"])
    return model


def _cats(lib: Any) -> Any:
    layers = lib.layers
    head = lib.Sequential(name="head")
    for number, filters in enumerate((4, 8)):
        head.add(layers.Conv2D(filters, 3, use_bias=False, name=f"conv_{number}"))
        head.add(layers.BatchNormalization())
        head.add(layers.ReLU())
        head.add(layers.MaxPooling2D(2))
    tail = lib.Sequential(
        [layers.GlobalAveragePooling2D(), layers.Dense(1, activation="sigmoid")], name="tail"
    )
    model = lib.Sequential([lib.Input((20, 20, 3)), layers.Rescaling(0.5), head, tail])
    optimizer = lib.optimizers.RMSprop(1e-3, momentum=0.5, centered=True)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    return model


def _dropout(lib: Any) -> Any:
    layers = lib.layers
    model = lib.Sequential(
        [
            lib.Input((12,)),
            layers.Dense(16),
            layers.Activation("tanh"),
            layers.Dropout(0.5, seed=3),
            layers.Reshape((4, 4)),
            layers.Flatten(),
            layers.Dense(4),
            layers.Softmax(),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def _graph(lib: Any) -> Any:
    layers = lib.layers
    left, right = lib.Input((6,), name="left"), lib.Input((6,), name="right")
    shared = layers.Dense(5, activation="relu", name="shared")
    a, b = shared(left), shared(right)
    together = layers.Concatenate()([a, b, left])
    total = layers.Add()([a, b, layers.Dense(5, name="own")(together)])
    kind = layers.Dense(3, activation="softmax", name="kind")(together)
    size = layers.Dense(1, name="size")(shared_twice(lib, total))
    model = lib.Model([left, right], [kind, size], name="graph")
    rate = lib.optimizers.schedules.ExponentialDecay(0.01, 4, 0.5)
    model.compile(
        lib.optimizers.AdamW(rate, weight_decay=0.01),
        loss=["sparse_categorical_crossentropy", lib.losses.MeanSquaredError()],
        loss_weights=[1.0, 0.25],
        metrics=[["accuracy"], ["mse"]],
    )
    return model


def shared_twice(lib: Any, x: Any) -> Any:
    """A model that is called twice, inside another model."""
    start = lib.Input((5,))
    inner = lib.Model(start, lib.layers.Dense(5, activation="tanh")(start), name="inner")
    return inner(inner(x))


def _nested(lib: Any) -> Any:
    layers = lib.layers
    start = lib.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, padding="same")(start)
    # No bias before the BatchNormalization: its gradient is rounding, which Adam would magnify.
    y = layers.BatchNormalization()(layers.Conv2D(4, 1, use_bias=False)(x))
    x = layers.Add()([x, y])
    block = lib.Model(start, [x, layers.GlobalMaxPooling2D()(x)], name="block")
    image = lib.Input((8, 8, 2), name="image")
    maps, vector = block(image)
    chain = lib.Sequential([layers.Flatten(), layers.Dense(4, activation="relu")], name="chain")
    y = layers.Dense(2)(layers.Concatenate()([chain(maps), vector]))
    model = lib.Model(image, y, name="outer")
    model.compile(lib.optimizers.Adam(1e-3, clipnorm=1.0), "mse")
    return model


def _double(lib: Any) -> Any:
    layers = lib.layers
    model = lib.Sequential(
        [lib.Input((6,)), layers.Dense(7, activation="gelu"), layers.BatchNormalization()]
    )
    model.add(layers.Dense(2))
    rate = lib.optimizers.schedules.PiecewiseConstantDecay([2, 5], [0.1, 0.05, 0.01])
    model.compile(lib.optimizers.SGD(rate, momentum=0.8), "mse")
    return model


def _frozen(lib: Any) -> Any:
    layers = lib.layers
    base = lib.Sequential(
        [layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()], name="base"
    )
    model = lib.Sequential([lib.Input((8, 8, 3)), base, layers.Flatten(), layers.Dense(3)])
    base.trainable = False
    model.layers[-1].bias_initializer = lib.initializers.Constant(0.5)
    loss = lib.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    rate = lib.optimizers.schedules.CosineDecay(0.1, 20)
    model.compile(lib.optimizers.SGD(rate, momentum=0.9), loss)
    return model


TRIPS = {
    "dense": Trip(_dense, [(28, 28)], [10]),
    "CNN": Trip(_cnn, [(16, 16, 1)], [10]),
    "cats vs dogs": Trip(_cats, [(20, 20, 3)], [0]),
    "dropout": Trip(_dropout, [(12,)], [4], trains_alike=False),
    "graph": Trip(_graph, [(6,), (6,)], [3, 0]),
    "model in model": Trip(_nested, [(8, 8, 2)], [-2]),
    "float64": Trip(_double, [(6,)], [-2], "float64"),
    "frozen base": Trip(_frozen, [(8, 8, 3)], [-3]),
}


def batches_for(trip: Trip, steps: int) -> list[tuple[Any, Any]]:
    """So many batches, the same every time."""
    rng = np.random.default_rng(0)
    batches = []
    for _ in range(steps):
        x = [rng.random((_BATCH, *shape)).astype(trip.dtype) for shape in trip.inputs]
        y = [_targets(rng, classes, trip.dtype) for classes in trip.classes]
        batches.append((x if len(x) > 1 else x[0], y if len(y) > 1 else y[0]))
    return batches


def _targets(rng: np.random.Generator, classes: int, dtype: str) -> Array:
    """Labels; for 0 a column of zeros and ones, for -K rows of K numbers that add up to 1."""
    if classes > 0:
        return rng.integers(classes, size=_BATCH)
    if classes == 0:
        return rng.integers(2, size=(_BATCH, 1)).astype(dtype)
    rows = rng.random((_BATCH, -classes))
    return (rows / rows.sum(axis=1, keepdims=True)).astype(dtype)
