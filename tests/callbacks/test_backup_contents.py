"""What a backup holds: the learning rate that was asked for, metrics of one's own, and junk."""

import copy

import numpy as np
import pytest

import tinyconv as tc
from tests.callbacks.interrupted import Fails
from tests.training.models import assert_same_weights, problem
from tinyconv.callbacks import BackupAndRestore, Callback, EarlyStopping, ReduceLROnPlateau
from tinyconv.callbacks.state_file import read_state, write_state
from tinyconv.metrics import Metric
from tinyconv.saving.errors import FileError

X, Y = problem(40)


def network(rate=0.5, metrics=("accuracy",)):
    tc.utils.set_random_seed(5)
    parts = [tc.Input((4,)), tc.layers.Dense(6, "relu"), tc.layers.Dropout(0.3, seed=1)]
    model = tc.Sequential([*parts, tc.layers.Dense(3, "softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile(tc.optimizers.Adam(rate), loss, metrics=list(metrics))
    return model


def fit(model, folder, *callbacks, epochs=6):
    callbacks = [BackupAndRestore(folder, 2), *callbacks]
    model.fit(X, Y, 8, epochs, verbose=0, callbacks=callbacks)
    return model


def interrupted(model, folder, *callbacks, steps=17):
    with pytest.raises(RuntimeError, match="the power went"):
        fit(model, folder, *callbacks, Fails(steps))
    return model


# ---- the learning rate ----------------------------------------------------------


def test_another_learning_rate_than_the_backups_is_told(tmp_path):
    interrupted(network(0.5), tmp_path)
    message = r"backup\.npz.*learning rate 0\.25.*began with 0\.5.*now with 0\.5"
    for _ in range(2):  # as often as the program asks for it
        with pytest.warns(UserWarning, match=message):
            model = interrupted(network(0.25), tmp_path, steps=3)
        assert model.optimizer.learning_rate == 0.5


def test_a_rate_that_training_itself_lowered_is_no_other_rate(tmp_path, recwarn):
    def callbacks():
        return [ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=10)]

    for _ in range(2):
        interrupted(network(0.5), tmp_path, *callbacks(), steps=12)
    now = read_state(tmp_path / "backup.npz")["optimizer"]
    assert now["learning_rate"] < now["started_with"] == 0.5
    model = fit(network(0.5), tmp_path, *callbacks())
    assert not recwarn.list
    expected = network(0.5)
    expected.fit(X, Y, 8, 6, verbose=0, callbacks=callbacks())
    assert_same_weights(model, expected)


def test_the_same_model_goes_on_without_a_word(tmp_path, recwarn):
    """In a notebook fit is simply called again; the rate of the model is the lowered one."""
    plateau = ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=10)
    model = interrupted(network(0.5), tmp_path, plateau)
    assert model.optimizer.learning_rate < 0.5
    fit(model, tmp_path, plateau)
    assert not recwarn.list


@pytest.mark.parametrize("first", [0.1, "schedule"])
def test_a_number_is_no_schedule(first, tmp_path):
    rates = {0.1: 0.1, "schedule": tc.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9)}
    (other,) = (rates[key] for key in rates if key != first)
    interrupted(network(rates[first]), tmp_path)
    with pytest.raises(FileError, match="expected the learning rate"):
        fit(network(other), tmp_path)


# ---- metrics of one's own ----------------------------------------------------------


class Confusion(Metric):
    """Counts in an array and a list; says nothing of backups."""

    config_keys = ("name", "classes")

    def __init__(self, classes, name=None):
        self.classes, self.judge = classes, np.argmax
        super().__init__(name)

    def reset_state(self):
        self.matrix, self.batches = np.zeros((self.classes, self.classes), int), []

    def update_state(self, y_true, y_pred, sample_weight=None):
        np.add.at(self.matrix, (np.ravel(y_true), self.judge(y_pred, axis=-1)), 1)
        self.batches.append(len(y_pred))

    def result(self):
        return float(np.trace(self.matrix) / sum(self.batches))


class Rest(Metric):
    """Only `values` is its own."""

    def values(self, y_true, y_pred):
        return 1 - y_pred.max(axis=-1)


def own():
    return [Confusion(3), Rest()]


@pytest.mark.parametrize("steps", [3, 7, 10, 13])
def test_metrics_of_ones_own_go_on(steps, tmp_path):
    expected = network(metrics=own())
    history = expected.fit(X, Y, 8, 6, verbose=0).history
    interrupted(network(metrics=own()), tmp_path, steps=steps)
    model = fit(network(metrics=own()), tmp_path)
    assert model.history.history == history
    assert set(history) == {"loss", "confusion", "rest"}


class Seen(Metric):
    """Counts in what no file of ours holds."""

    def reset_state(self):
        self.seen = set()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.seen.update(np.ravel(y_true).tolist())

    def result(self):
        return len(self.seen)


def test_a_metric_that_cannot_be_kept_is_told_before_the_first_step(tmp_path):
    model, steps = network(metrics=[Seen()]), []
    counts = tc.callbacks.LambdaCallback(on_train_batch_end=lambda *_: steps.append(1))
    message = r"can't keep .*Seen.*state\['seen'\].*Received: set.*get_state"
    with pytest.raises(TypeError, match=message):
        fit(model, tmp_path, counts)
    assert not steps


def test_a_metric_that_says_what_to_keep(tmp_path):
    class Told(Seen):
        def get_state(self):
            return {"seen": sorted(self.seen)}

        def set_state(self, state):
            self.seen = set(state["seen"])

    def metrics():
        return [Told("seen")]

    history = network(metrics=metrics()).fit(X, Y, 8, 6, verbose=0).history
    interrupted(network(metrics=metrics()), tmp_path, steps=13)
    assert fit(network(metrics=metrics()), tmp_path).history.history == history


def test_the_state_of_a_metric_is_its_own():
    metric = Rest()
    metric.update_state(np.zeros(2), np.array([[0.5, 0.5], [0.75, 0.25]]))
    again = Rest()
    again.set_state(metric.get_state())
    assert again.result() == metric.result() == 0.375
    for wrong in ({}, {"_total": 1.0}, {**metric.get_state(), "result": 3}):
        with pytest.raises(ValueError, match="metric 'rest': expected a state with"):
            again.set_state(wrong)
    assert again.result() == 0.375


# ---- junk -----------------------------------------------------------------------


def put(*keys_and_value):
    *keys, last, value = keys_and_value

    def change(state):
        for key in keys:
            state = state[key]
        state[last] = value

    return change


def drop(*keys):
    def change(state):
        for key in keys[:-1]:
            state = state[key]
        del state[keys[-1]]

    return change


JUNK = [
    (put("format", 3), "no backup that this version of tinyconv can read"),
    *((drop(key), f"{key} is missing") for key in ("weights", "optimizer", "position", "random")),
    (put("weights", {}), r"weights: expected a list. Received: {}"),
    (put("weights", 1, ["kernel"]), r"weights\[1\]: expected a list of 2. Received: \['kernel'\]"),
    (put("weights", 0, 1, "ones"), r"weights\[0\]\[1\]: expected ndarray. Received: 'ones'"),
    (put("weights", 0, 0, 5), r"weights\[0\]\[0\]: expected str. Received: 5"),
    (put("weights", 0, 1, np.array(["a"])), "for the weight .*kernel"),
    (drop("weights", 0), "a number of weights of 4"),
    (put("trainable", 7), "trainable: expected a list"),
    (put("optimizer", None), "optimizer: expected a dict. Received: None"),
    (drop("optimizer", "iterations"), "optimizer.iterations is missing"),
    (put("optimizer", "iterations", -1), "iterations: expected a whole number that is not neg"),
    (put("optimizer", "iterations", True), "iterations: expected a whole number"),
    (put("optimizer", "learning_rate", "fast"), "learning_rate: expected a learning rate or"),
    (put("optimizer", "learning_rate", float("nan")), "expected a learning rate"),
    (put("optimizer", "learning_rate", {"class_name": "x"}), "the learning rate 0.5"),
    (put("optimizer", "slots", {"momentum": 3}), "slots.momentum: expected ndarray"),
    (put("optimizer", "slots", {"m": np.zeros(3)}), "the slots"),
    (put("random", {}), "random: no state of such a generator"),
    (put("random", "state", {"state": "x"}), "random: no state of such a generator"),
    (put("generators", [{"bit_generator": "MT19937"}]), "generators: no state of such a gen"),
    (put("generators", []), "generators of random numbers 1. Received: 0"),
    (put("metrics", [["loss", {}], ["accuracy", {}]]), "metric 'loss': '_total' is missing"),
    (put("metrics", 0, 1, "_total", "x"), "metric 'loss': '_total': expected float"),
    (put("metrics", 0, "loss"), r"metrics\[0\]: expected a list of 2"),
    (drop("position", "step"), "position.step is missing"),
    (put("position", "step", "3"), "position.step: expected a whole number"),
    (put("position", "epoch", -3), "position.epoch: expected a whole number"),
    (put("position", "random_state", {"a": 1}), "position.random_state: no state of such"),
    (put("callbacks", [["History", {"epoch": 3}]]), "History: 'epoch': expected list"),
    (put("callbacks", [["History", {"history": {}}]]), "History: 'epoch' is missing"),
    (put("callbacks", [["EarlyStopping", {"best": 0.5}]]), "EarlyStopping: 'wait' is missing"),
    (
        put("callbacks", [["EarlyStopping", {"best": 0.5, "wait": "x"}]]),
        "EarlyStopping: 'wait': expected int. Received: 'x'",
    ),
    (put("callbacks", [3]), r"callbacks\[0\]: expected a list of 2. Received: 3"),
    (put("steps", 2.5), "steps: expected a whole number that is not negative, or None"),
    (put("input_record", [{}]), "input_record: expected a record"),
]


@pytest.mark.parametrize(("change", "message"), JUNK, ids=[message for _, message in JUNK])
def test_junk_in_a_backup_is_told_before_anything_changes(change, message, tmp_path):
    interrupted(network(), tmp_path, EarlyStopping("loss"))
    file = tmp_path / "backup.npz"
    state = read_state(file)
    change(state)
    file.unlink()
    write_state(file, state)
    content = file.read_bytes()
    model = network()
    before, random = model.get_weights(), copy.deepcopy(tc.random.get_state())
    with pytest.raises(FileError, match=message) as told:
        fit(model, tmp_path, EarlyStopping("loss"))
    assert str(told.value).startswith(str(file))
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert model.optimizer.iterations == 0
    assert tc.random.get_state() == random
    assert file.read_bytes() == content


def test_a_callback_of_ones_own_that_cannot_go_on_is_told_with_the_file(tmp_path):
    class Counts(Callback):
        def get_state(self):
            return {"count": 3}

        def set_state(self, state):
            self.count = state["number"]

    interrupted(network(), tmp_path, Counts())
    model = network()
    before = model.get_weights()
    with pytest.raises(FileError, match=r"backup\.npz: missing 'number'"):
        fit(model, tmp_path, Counts())
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)
