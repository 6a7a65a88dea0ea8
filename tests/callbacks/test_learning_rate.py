"""ReduceLROnPlateau and LearningRateScheduler against Keras' own, driven by the same values."""

import os
import random

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

import tinyconv  # noqa: E402
from tests.training.models import classifier, problem  # noqa: E402
from tinyconv.callbacks import LearningRateScheduler, ReduceLROnPlateau  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

X, Y = problem()
RANDOM = random.Random(5)
SEQUENCES = {
    "falls then rises": [5.0, 4.0, 3.0, 3.1, 3.2, 2.9, 3.3, 3.4, 3.5, 3.6],
    "flat": [2.0] * 12,
    "small steps": [1.0, 0.99995, 0.9999, 0.95, 0.94992, 0.9, 0.9],
    "up and down": [0.5, 0.7, 0.6, 0.8, 0.55, 0.81, 0.4, 0.3, 0.2],
    "random": [RANDOM.random() for _ in range(40)],
}
ARGUMENTS = [
    {},
    {"patience": 1},
    {"patience": 2, "factor": 0.5},
    {"patience": 1, "cooldown": 2},
    {"patience": 0, "cooldown": 1, "factor": 0.9},
    {"patience": 1, "min_lr": 0.002, "factor": 0.3},
    {"patience": 2, "mode": "max"},
    {"patience": 1, "min_delta": 0.1},
    {"patience": 1, "min_delta": 0},
]


class Fake:
    """What the callbacks ask of a model."""

    stop_training = False
    metrics: tuple = ()

    def __init__(self, optimizer):
        self.optimizer = optimizer


def drive(callback, optimizer, values):
    """The learning rate in the logs and after each epoch."""
    callback.set_model(Fake(optimizer))
    callback.on_train_begin({})
    rates = []
    for epoch, value in enumerate(values):
        logs = {"val_loss": value}
        callback.on_epoch_begin(epoch, {})
        callback.on_epoch_end(epoch, logs)
        rates.append((logs["learning_rate"], float(np.asarray(optimizer.learning_rate))))
    return rates


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
@pytest.mark.parametrize("values", SEQUENCES.values(), ids=SEQUENCES)
def test_reduces_when_keras_reduces(values, arguments):
    expected = drive(
        keras.callbacks.ReduceLROnPlateau(**arguments), keras.optimizers.SGD(0.01), values
    )
    rates = drive(ReduceLROnPlateau(**arguments), tinyconv.optimizers.SGD(0.01), values)
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(
    "schedule",
    [
        lambda epoch, rate: rate * 0.5 if epoch > 2 else rate,
        lambda epoch: 0.1 / (epoch + 1),
        lambda epoch, rate: np.float32(0.1) * epoch,
        lambda epoch, rate=0.3: rate / 2,
    ],
)
def test_schedules_as_keras_does(schedule):
    expected = drive(
        keras.callbacks.LearningRateScheduler(schedule), keras.optimizers.SGD(0.01), [1.0] * 6
    )
    rates = drive(LearningRateScheduler(schedule), tinyconv.optimizers.SGD(0.01), [1.0] * 6)
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_the_rates_are_in_the_history_and_the_weights_follow_them():
    model, still = classifier("sgd"), classifier("sgd")
    callback = LearningRateScheduler(lambda epoch: 0.1 if epoch == 0 else 0.0)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=callback, shuffle=False)
    assert history.history["learning_rate"] == [0.1, 0.0, 0.0]
    still.optimizer.learning_rate = 0.1
    still.fit(X, Y, verbose=0, shuffle=False)
    for weight, expected in zip(model.get_weights(), still.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_an_error_within_the_schedule_comes_through():
    def schedule(epoch, rate):
        raise TypeError("my own")

    with pytest.raises(TypeError, match="my own"):
        classifier().fit(X, Y, verbose=0, callbacks=LearningRateScheduler(schedule))


def test_what_is_wrong_is_told():
    with pytest.raises(ValueError, match=r"factor must be in \(0, 1\)\. Received: 1\.5"):
        ReduceLROnPlateau(factor=1.5)
    with pytest.raises(ValueError, match=r"must return a float\. Received: '0\.1'"):
        classifier().fit(X, Y, verbose=0, callbacks=LearningRateScheduler(lambda e: "0.1"))
    decay = tinyconv.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    for callback in (ReduceLROnPlateau("loss"), LearningRateScheduler(lambda epoch: 0.1)):
        model = classifier(tinyconv.optimizers.SGD(decay))
        with pytest.raises(TypeError, match="takes from a ExponentialDecay"):
            model.fit(X, Y, verbose=0, callbacks=callback)
        assert model.optimizer.iterations == 0
    with pytest.warns(UserWarning, match="'val_loss' is monitored but not there"):
        classifier().fit(X, Y, verbose=0, callbacks=ReduceLROnPlateau())


def test_verbose_says_what_was_done(capsys):
    drive(ReduceLROnPlateau(patience=1, verbose=1), tinyconv.optimizers.SGD(0.01), [1.0, 2.0])
    drive(LearningRateScheduler(lambda e: 0.5, verbose=1), tinyconv.optimizers.SGD(), [1.0])
    assert capsys.readouterr().out == (
        "Epoch 2: the learning rate is reduced to 0.001\nEpoch 1: the learning rate is 0.5\n"
    )


def test_a_rate_is_set_once_in_an_epoch_that_is_resumed():
    first, second = (LearningRateScheduler(lambda epoch, rate: rate / 2) for _ in range(2))
    model = Fake(tinyconv.optimizers.SGD(0.8))
    first.set_model(model)
    first.on_train_begin()
    first.on_epoch_begin(3)
    second.set_model(model)
    second.on_train_begin()
    second.set_state(first.get_state())
    second.on_epoch_begin(3)
    assert model.optimizer.learning_rate == 0.4
    second.on_epoch_begin(4)
    assert model.optimizer.learning_rate == 0.2
