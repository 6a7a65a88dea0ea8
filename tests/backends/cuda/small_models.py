"""Small models and trainings that the tests of steps share."""

from typing import Any

import numpy as np

from tinyconv import Input, Model, Sequential, layers
from tinyconv.utils import set_random_seed

SPARSE = "sparse_categorical_crossentropy"


def data(samples=44, classes=5, shape=(8, 8, 1), seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((samples, *shape), np.float32), rng.integers(0, classes, samples)


def cnn(dropout=0.3, norm=True, **dense: Any) -> Model:
    made = [
        Input((8, 8, 1)),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        *([layers.BatchNormalization()] if norm else []),
        layers.MaxPooling2D(),
        layers.Dropout(dropout),
        layers.Flatten(),
        layers.Dense(5, activation="softmax", **dense),
    ]
    return Sequential(made)


def graph() -> Model:
    x = Input((8, 8, 1))
    a = layers.Conv2D(4, 3, strides=2, padding="same", kernel_regularizer="l2")(x)
    b = layers.AveragePooling2D(2)(layers.ZeroPadding2D(1)(layers.Conv2D(4, 3)(x)))
    both = layers.Activation("gelu")(layers.Add()([a, b]))
    both = layers.Concatenate()([both, layers.ReLU(negative_slope=0.1)(a)])
    y = layers.Dense(3, activation="tanh")(layers.GlobalAveragePooling2D()(both))
    return Model(x, layers.Dense(1, activation="sigmoid")(y))


def dense() -> Model:
    return Sequential([Input((8, 8, 1)), layers.Flatten(), layers.Dense(5), layers.Softmax()])


def maximum() -> Model:
    made = [Input((8, 8, 1)), layers.Conv2D(5, 3), layers.GlobalMaxPooling2D(), layers.Softmax()]
    return Sequential(made)


def trained(model, x, y, compiled, **fit):
    """History and weights of a training that starts from the same seed."""
    set_random_seed(7)
    model = model()
    model.compile(**compiled)
    history = model.fit(x, y, **{"batch_size": 8, "epochs": 4, "verbose": 0, **fit}).history
    return history, model.get_weights(), model
