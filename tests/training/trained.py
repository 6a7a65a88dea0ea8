"""A small model with a past, and the data that it was trained on."""

import numpy as np

from tinyconv import Input, Sequential, layers

RNG = np.random.default_rng(0)
N = 12
X = RNG.random((N, 6, 6, 2)).astype("float32")
Y = RNG.integers(0, 3, N)
NET = "Sequential 'net': "  # how an error names it


def network():
    """Trained for an epoch, so that weights, statistics, optimizer and history have a past."""
    parts = [
        Input((6, 6, 2)),
        layers.Conv2D(3, 3, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(3, activation="softmax", name="head"),
    ]
    model = Sequential(parts, name="net")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, 5, verbose=0)
    return model


def fit(x=X, y=Y, **arguments):
    """A function that trains a model so."""
    return lambda model: model.fit(x, y, **{"verbose": 0, **arguments})
