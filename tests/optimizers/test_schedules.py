"""The learning-rate schedules against Keras' own, over many steps."""

import os

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

from tinyconv import optimizers  # noqa: E402
from tinyconv.optimizers import SGD, schedules  # noqa: E402

CASES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9}),
    ("ExponentialDecay",
     {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.3}),
    ("InverseTimeDecay",
     {"initial_learning_rate": 0.1, "decay_steps": 5, "decay_rate": 0.3, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 20], "values": [0.5, 0.1, 0.02]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.2, "decay_steps": 13}),
    ("PolynomialDecay",
     {"initial_learning_rate": 0.2, "decay_steps": 13, "end_learning_rate": 0.01, "power": 2.5}),
    ("PolynomialDecay",
     {"initial_learning_rate": 0.2, "decay_steps": 13, "power": 0.5, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 17}),
    ("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 17, "alpha": 0.1}),
    ("CosineDecay",
     {"initial_learning_rate": 0.01, "decay_steps": 17, "warmup_target": 0.2, "warmup_steps": 9}),
    ("CosineDecay",
     {"initial_learning_rate": 0.0, "decay_steps": 9, "warmup_target": 0.2, "warmup_steps": 4,
      "alpha": 0.05}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_rates_are_keras_rates(name, arguments):
    mine = getattr(schedules, name)(**arguments)
    other = getattr(keras.optimizers.schedules, name)(**arguments)
    steps = [*range(45), 1000]
    rates = np.array([mine(step) for step in steps])
    expected = [float(other(step)) for step in steps]
    np.testing.assert_allclose(rates, expected, rtol=2e-5, atol=1e-8)
    assert len(set(rates)) > 2


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_config_makes_the_same_schedule_again(name, arguments):
    mine = getattr(schedules, name)(**arguments)
    config = mine.get_config()
    assert config == {**config, **arguments}
    again = getattr(schedules, name)(**config)
    assert [again(step) for step in range(30)] == [mine(step) for step in range(30)]


def test_the_optimizer_shows_the_rate_of_its_next_step():
    optimizer = SGD(schedules.ExponentialDecay(1.0, 1, 0.5))
    shown = []
    for optimizer.iterations in range(4):
        shown.append(optimizer.learning_rate)
    assert shown == [1, 0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.9), ValueError, "decay_steps.*0"),
        (lambda: schedules.CosineDecay(0.1, -3), ValueError, "decay_steps.*-3"),
        (lambda: schedules.PolynomialDecay(0.1, 0), ValueError, "decay_steps.*0"),
        (lambda: schedules.PiecewiseConstantDecay([1], [0.1]), ValueError, "values must be one"),
        (lambda: schedules.LearningRateSchedule()(0), TypeError, "defines no __call__"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_an_optimizer_is_made_again_with_its_schedule(name, arguments):
    optimizer = SGD(getattr(schedules, name)(**arguments))
    again = optimizers.get({"class_name": "SGD", "config": optimizer.get_config()})
    for step in range(30):
        optimizer.iterations = again.iterations = step
        assert again.learning_rate == optimizer.learning_rate
