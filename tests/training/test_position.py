"""A training that was cut off at any step goes on as if it had not been."""

import copy

import numpy as np
import pytest

import tinyconv
from tests.training.models import problem
from tests.training.pipelines import Anew, Items, cut, endless, readers, tf_dataset
from tinyconv import Input, Sequential, layers, random
from tinyconv.callbacks import Callback

X, Y = problem(14)


def shuffled():
    """Reshuffled each time it is iterated, the same in every process."""
    return tf_dataset((X, Y), 4).unbatch().shuffle(14, seed=3).batch(4)


SETUPS = {
    "arrays": (lambda: (X, Y), {"batch_size": 4}),
    "arrays in order": (lambda: (X, Y), {"batch_size": 4, "shuffle": False}),
    "arrays, passes across epochs": (lambda: (X, Y), {"batch_size": 2, "steps_per_epoch": 3}),
    "iterable": (lambda: (Anew(cut((X, Y), 4)),), {}),
    "iterable, passes across epochs": (lambda: (Anew(cut((X, Y), 1)),), {"steps_per_epoch": 3}),
    "reshuffled tf.data": (lambda: (shuffled(),), {}),
    "repeated tf.data": (lambda: (shuffled().repeat(),), {"steps_per_epoch": 3}),
    "items": (lambda: (Items(cut((X, Y), 4)),), {}),
    "items, passes across epochs": (lambda: (Items(cut((X, Y), 2)),), {"steps_per_epoch": 3}),
    "endless generator": (lambda: (endless(cut((X, Y), 4)),), {"steps_per_epoch": 3}),
}


def network():
    tinyconv.utils.set_random_seed(11)
    parts = [
        Input((4,)),
        layers.Dense(6, activation="relu", name="a"),
        layers.Dropout(0.4, name="drop"),
        layers.BatchNormalization(name="norm"),
        layers.Dense(3, activation="softmax", name="b"),
    ]
    model = Sequential(parts, name="net")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Killed(BaseException):
    """What ends the training in the middle."""


class Life(Callback):
    """Keeps what comes after each step and epoch; dies at one of them; goes on from there."""

    def __init__(self, die_at=None):
        self.die_at, self.turns, self.kept = die_at, [], None
        self.history = []

    def on_train_begin(self, logs=None):
        if self.kept is not None:
            self.model.position, state = copy.deepcopy(self.kept)
            random.set_state(state)

    def on_train_batch_end(self, batch, logs=None):
        assert self.model.position.step == batch + 1
        self._turn(("step", self.model.position.epoch, batch, dict(logs)))

    def on_epoch_end(self, epoch, logs=None):
        assert (self.model.position.epoch, self.model.position.step) == (epoch + 1, 0)
        self._turn(("epoch", epoch, dict(logs)))

    def _turn(self, what):
        self.turns.append(what)
        if len(self.turns) - 1 == self.die_at:
            self.kept = copy.deepcopy((self.model.position, random.get_state()))
            raise Killed


def train(model, life, setup):
    make, arguments = SETUPS[setup]
    model.fit(*make(), epochs=4, verbose=0, callbacks=[life], validation_data=(X, Y), **arguments)


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.filterwarnings("ignore:.*ran out after")
def test_cut_off_at_every_step_and_epoch(setup):
    whole, life = network(), Life()
    train(whole, life, setup)
    turns = len(life.turns)
    assert turns >= 14
    for die_at in range(0, turns, 2 if "tf.data" in setup else 1):
        model, other = network(), Life(die_at)
        with pytest.raises(Killed):
            train(model, other, setup)
        assert not readers()
        other.die_at = None
        train(model, other, setup)
        assert other.turns == life.turns
        for weight, expected in zip(model.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, expected)
        assert model.optimizer.iterations == whole.optimizer.iterations


def test_it_starts_and_ends_at_known_places():
    positions = []

    class Look(Callback):
        def on_train_begin(self, logs=None):
            positions.append((self.model.position.epoch, self.model.position.step))

        on_train_end = on_train_begin

    model = network()
    model.fit(X, Y, initial_epoch=2, epochs=5, verbose=0, callbacks=[Look()])
    assert positions == [(2, 0), (5, 0)]


def test_a_training_that_had_ended_takes_no_step():
    class Done(Callback):
        def on_train_begin(self, logs=None):
            self.model.position = type(self.model.position)(3)

    model = network()
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[Done()])
    assert model.optimizer.iterations == 0
