"""EarlyStopping against Keras' own, driven by the same values."""

import os
import warnings

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
keras = pytest.importorskip("keras")

from tinyconv.callbacks import EarlyStopping  # noqa: E402


class FakeModel:
    """Weights that count the epochs, and what early stopping asks for."""

    stop_training = False
    metrics: tuple = ()

    def __init__(self):
        self.weights = -1

    def get_weights(self):
        return [np.array(self.weights)]

    def set_weights(self, weights):
        self.weights = int(weights[0])


def drive(callback, values, name):
    """(epochs run, stopped_epoch, final weights, best)."""
    model = FakeModel()
    callback.set_model(model)
    callback.on_train_begin({})
    for epoch, value in enumerate(values):
        model.weights = epoch
        callback.on_epoch_end(epoch, {name: value})
        if model.stop_training:
            break
    callback.on_train_end({})
    best = None if callback.best is None else float(callback.best)
    return epoch, callback.stopped_epoch, model.weights, best


NAN = float("nan")
SEQUENCES = {
    "falls then rises": [5.0, 4.0, 3.0, 3.1, 3.2, 2.9, 3.3, 3.4, 3.5, 3.6],
    "rises": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
    "flat": [2.0] * 6,
    "small steps": [1.0, 0.99, 0.98, 0.97, 0.96, 0.95, 0.9],
    "up and down": [0.5, 0.7, 0.6, 0.8, 0.55, 0.81, 0.4, 0.3, 0.2],
    "nan in between": [3.0, NAN, 2.0, 1.5, NAN, NAN, 1.0],
}
ARGUMENTS = [
    {},
    {"patience": 2},
    {"patience": 1, "min_delta": 0.05},
    {"patience": 1, "min_delta": -0.05},
    {"patience": 2, "mode": "max"},
    {"patience": 2, "mode": "min"},
    {"patience": 2, "baseline": 0.75},
    {"patience": 1, "baseline": 3.05, "restore_best_weights": True},
    {"patience": 2, "restore_best_weights": True},
    {"patience": 1, "mode": "max", "restore_best_weights": True, "min_delta": 0.15},
    {"patience": 1, "start_from_epoch": 3},
    {"patience": 1, "start_from_epoch": 3, "restore_best_weights": True},
    {"patience": 99, "restore_best_weights": True},
]


@pytest.mark.parametrize("name", ["val_loss", "val_accuracy"])
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
@pytest.mark.parametrize("values", SEQUENCES.values(), ids=SEQUENCES)
def test_stops_when_keras_stops_and_restores_what_keras_restores(values, arguments, name):
    arguments = {"monitor": name, **arguments}
    if name == "val_accuracy":
        # Keras' "auto" asks the compiled metrics for their direction; the fake model has none.
        arguments.setdefault("mode", "max")
    expected = drive(keras.callbacks.EarlyStopping(**arguments), values, name)
    assert drive(EarlyStopping(**arguments), values, name) == pytest.approx(expected, nan_ok=True)


def test_a_first_value_of_nan_can_be_beaten():
    # Keras takes it for the best, and nothing is ever less than NaN.
    result = drive(EarlyStopping(patience=2), [NAN, 2.0, 1.0, 3.0, 3.0, 3.0], "val_loss")
    assert result == (4, 4, 4, 1.0)


@pytest.mark.parametrize(
    ("name", "rises"),
    [("loss", False), ("val_loss", False), ("accuracy", True), ("val_acc", True), ("mse", False),
     ("val_sparse_categorical_accuracy", True), ("auc", True)],
)  # fmt: skip
def test_auto_mode_goes_by_the_name(name, rises):
    up, down = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    better, worse = (up, down) if rises else (down, up)
    assert drive(EarlyStopping(monitor=name), better, name)[0] == 2
    assert drive(EarlyStopping(monitor=name), worse, name)[0] == 1


def test_a_callback_can_be_used_again():
    callback = EarlyStopping(patience=1)
    first = drive(callback, [1.0, 2.0, 3.0], "val_loss")
    assert drive(callback, [5.0, 4.0, 6.0], "val_loss") == (2, 2, 2, 4.0)
    assert first == (1, 1, 1, 1.0)


def test_a_value_that_is_not_there_is_told_and_stops_nothing():
    with pytest.warns(UserWarning, match=r"'val_loss' is monitored.*Available: loss"):
        result = drive(EarlyStopping(), [1.0, 2.0], "loss")
    assert result[0] == 1


@pytest.mark.parametrize("verbose", [0, 1])
def test_verbose_says_why_it_ended(verbose, capsys):
    callback = EarlyStopping(patience=1, restore_best_weights=True, verbose=verbose)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drive(callback, [3.0, 2.0, 4.0, 5.0], "val_loss")
    said = "Stopped after epoch 3: no improvement. Restored the weights of epoch 2\n"
    assert capsys.readouterr().out == said * verbose


@pytest.mark.parametrize("name", ["val_f1", "precision", "learning_rate"])
def test_a_name_that_tells_no_direction_needs_a_mode(name):
    with pytest.raises(ValueError, match=f"whether '{name}' should rise or fall: give mode='max'"):
        EarlyStopping(name)
    assert drive(EarlyStopping(name, mode="max"), [1.0, 2.0, 1.0], name)[0] == 2


def test_what_is_monitored_must_be_a_name():
    with pytest.raises(TypeError, match=r"monitor must be a name.*Received: monitor=None"):
        EarlyStopping(monitor=None)


def test_mode_must_be_known():
    with pytest.raises(ValueError, match=r"mode must be auto, min or max\. Received: mode='best'"):
        EarlyStopping(mode="best")
