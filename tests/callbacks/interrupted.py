"""Trainings that an exception ends, for the tests of backups."""

import numpy as np
import pytest

import tinyconv as tc
from tests.training.models import assert_same_weights, problem
from tinyconv.callbacks import BackupAndRestore, Callback

X, Y = problem(40)


class Fails(Callback):
    """An exception after so many steps."""

    def __init__(self, steps):
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        self.steps -= 1
        if self.steps == 0:
            raise RuntimeError("the power went")


def network(optimizer="adam", units=6):
    tc.utils.set_random_seed(5)
    layers = tc.layers
    model = tc.Sequential(
        [
            layers.Dense(units, activation="relu", input_shape=(4,)),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dropout(0.3, seed=2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def adam():
    return tc.optimizers.Adam(0.01)


def decaying():
    return tc.optimizers.SGD(tc.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9), momentum=0.9)


def stream():
    """A data set that can be gone through anew."""

    class Batches:
        def __iter__(self):
            return iter([(X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8)])

    return Batches()


def interrupted(folder, make=network, steps=7, **arguments):
    """A model whose training left a backup."""
    model = make()
    with pytest.raises(RuntimeError, match="the power went"):
        model.fit(
            X, Y, 8, 4, verbose=0,
            callbacks=[BackupAndRestore(folder, 2, **arguments), Fails(steps)],
        )  # fmt: skip
    return model


def adam_network(units=6):
    return network(adam, units)


def assert_same_training(model, expected):
    assert_same_weights(model, expected)
    assert model.optimizer.iterations == expected.optimizer.iterations
    assert model.optimizer.learning_rate == expected.optimizer.learning_rate
    for name, slot in expected.optimizer.slots.items():
        np.testing.assert_array_equal(model.optimizer.slots[name], slot)
    assert model.history.history == expected.history.history
    assert model.history.epoch == expected.history.epoch
    assert model.history.epochs == expected.history.epochs
    assert [vars(record) for record in model.input_record] == [
        vars(record) for record in expected.input_record
    ]
