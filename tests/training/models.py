"""Small models and data for the tests of training."""

import numpy as np

from tinyconv import Input, Sequential, layers


def problem(samples=22, seed=0):
    """Points (N, 4) with labels of 3 classes that can be learnt."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((samples, 4)).astype("float32")
    y = (x @ rng.standard_normal((4, 3))).argmax(axis=1)
    return x, y


def classifier(optimizer="adam", dtype="float32", **dense):
    """Two dense layers, always with the same initial weights."""
    model = Sequential(
        [
            Input((4,)),
            layers.Dense(5, activation="tanh", name="hidden", dtype=dtype, **dense),
            layers.Dense(3, activation="softmax", name="output", dtype=dtype),
        ],
        name="classifier",
    )
    rng = np.random.default_rng(7)
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def assert_same_weights(model, other, **tolerance):
    """Equal bit for bit, or within a tolerance."""
    for weight, expected in zip(model.get_weights(), other.get_weights(), strict=True):
        if tolerance:
            np.testing.assert_allclose(weight, expected, **tolerance)
        else:
            np.testing.assert_array_equal(weight, expected)
