import numpy as np
import pytest

import tinyconv
from tests.training.models import classifier, problem
from tinyconv.callbacks import Callback, EarlyStopping, History

X, Y = problem()
HOOKS = [n for n in dir(Callback) if n.startswith(("on_", "set_", "close")) and n != "set_state"]


class Everything(Callback):
    """Writes down every call."""

    def __init__(self):
        self.calls = []


def _write_down(name):
    def call(self, *arguments):
        getattr(Callback, name)(self, *arguments)
        self.calls.append((name, *arguments))

    return call


for _hook in HOOKS:
    setattr(Everything, _hook, _write_down(_hook))


def names(callback):
    return [name for name, *_ in callback.calls]


# Keras hands each on to the hook of its older name, and so do we.
STEP = ["on_batch_begin", "on_train_batch_begin", "on_batch_end", "on_train_batch_end"]
TEST = ["on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 3, "on_test_end"]


def test_order_of_the_calls_of_fit():
    callback = Everything()
    model = classifier()
    model.fit(
        X, Y, 11, 2, callbacks=[callback], verbose=0,
        validation_data=(X, Y), validation_batch_size=8,
    )  # fmt: skip
    epoch = ["on_epoch_begin", *STEP * 2, *TEST, "on_epoch_end"]
    assert names(callback) == [
        "set_model", "set_params", "on_train_begin", *epoch * 2, "on_train_end", "close",
    ]  # fmt: skip
    assert callback.model is model
    assert callback.params == {"epochs": 2, "steps": 2, "verbose": 0}
    numbers = [arguments[0] for name, *arguments in callback.calls if name == "on_epoch_end"]
    batches = [arguments[0] for name, *arguments in callback.calls if name == STEP[1]]
    assert (numbers, batches) == ([0, 1], [0, 1, 0, 1])
    logs = [arguments[1] for name, *arguments in callback.calls if name == "on_epoch_end"]
    assert [list(each) for each in logs] == [["loss", "accuracy", "val_loss", "val_accuracy"]] * 2


def test_order_of_the_calls_of_evaluate_and_predict():
    callback = Everything()
    result = classifier().evaluate(X, Y, 8, verbose=0, callbacks=callback, return_dict=True)
    assert names(callback) == ["set_model", "set_params", *TEST, "close"]
    assert callback.calls[-2] == ("on_test_end", result)
    callback = Everything()
    outputs = classifier().predict(X, 8, verbose=0, callbacks=[callback])
    step = ["on_predict_batch_begin", "on_predict_batch_end"]
    assert names(callback) == [
        "set_model", "set_params", "on_predict_begin", *step * 3, "on_predict_end", "close",
    ]  # fmt: skip
    assert (callback.calls[-3][2]["outputs"] == outputs[16:]).all()


def test_callbacks_are_called_in_the_order_given_before_the_history():
    order = []  # as in Keras, so that what they add to the logs is in the history, too

    class Named(Callback):
        def __init__(self, name):
            self.name = name

        def on_epoch_end(self, epoch, logs=None):
            order.append((self.name, len(self.model.history.epoch)))
            logs[self.name] = 2.0

    history = classifier().fit(X, Y, callbacks=[Named("first"), Named("second")], verbose=0)
    assert order == [("first", 0), ("second", 0)]
    assert list(history.history) == ["loss", "accuracy", "first", "second"]


def test_the_books_callback_stops_the_training(capsys):
    class myCallback(tinyconv.callbacks.Callback):  # noqa: N801  (as in the book)
        def on_epoch_end(self, epoch, logs={}):  # noqa: B006
            if logs.get("accuracy") > 0.9:
                print("\nReached 90% accuracy so cancelling training!")
                self.model.stop_training = True

    x, y = problem(200)
    model = classifier(tinyconv.optimizers.Adam(0.05))
    history = model.fit(x, y, epochs=100, callbacks=[myCallback()], verbose=0).history
    assert 1 < len(history["accuracy"]) < 100
    assert max(history["accuracy"][:-1]) <= 0.9 < history["accuracy"][-1]
    assert capsys.readouterr().out == "\nReached 90% accuracy so cancelling training!\n"


def test_early_stopping_restores_the_best_weights_of_a_model():
    class Remember(Callback):
        def on_train_begin(self, logs=None):
            self.weights = []

        def on_epoch_end(self, epoch, logs=None):
            self.weights.append(self.model.get_weights())

    model, remember = classifier(tinyconv.optimizers.SGD(3.0, momentum=0.95)), Remember()
    stopper = EarlyStopping("loss", patience=2, restore_best_weights=True)
    losses = model.fit(X, Y, epochs=60, callbacks=[remember, stopper], verbose=0).history["loss"]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 60
    assert stopper.best == losses[best]
    for weight, expected in zip(model.get_weights(), remember.weights[best], strict=True):
        assert (weight == expected).all()


def test_history_gathers_by_name():
    history = History()
    history.on_epoch_end(4, {"loss": 1.0})
    history.on_epoch_end(5, {"loss": 0.5, "val_loss": 2.0})
    history.on_epoch_end(6)
    assert history.history == {"loss": [1.0, 0.5], "val_loss": [2.0]}
    assert history.epoch == [4, 5, 6]


@pytest.mark.parametrize("where", ["on_epoch_begin", "on_train_batch_end", "on_test_begin"])
def test_every_callback_is_closed_after_an_exception(where):
    class Fails(Callback):
        pass

    def fail(self, *arguments):
        raise KeyError("my own")

    setattr(Fails, where, fail)
    before, after = Everything(), Everything()
    model = classifier()
    with pytest.raises(KeyError, match="my own"):
        model.fit(X, Y, callbacks=[before, Fails(), after], verbose=0, validation_split=0.5)
    assert names(before)[-1] == names(after)[-1] == "close"
    assert "on_train_end" not in names(before)
    assert len(model.fit(X, Y, verbose=0).epoch) == 1


def test_the_older_names_of_the_batch_hooks_are_called():
    class Older(Callback):
        def __init__(self):
            self.calls = []

        def on_batch_begin(self, batch, logs=None):
            self.calls.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            self.calls.append(("end", batch, sorted(logs)))

    callback = Older()
    classifier().fit(X[:12], Y[:12], 6, callbacks=callback, verbose=0)
    end = ["accuracy", "loss"]
    assert callback.calls == [("begin", 0), ("end", 0, end), ("begin", 1), ("end", 1, end)]


def test_each_callback_is_closed_even_if_another_fails_to():
    closed = []

    class Closes(Callback):
        def close(self):
            closed.append(self)
            raise OSError("no more room")

    callbacks = [Closes(), Closes()]
    with pytest.raises(OSError, match="no more room"):
        classifier().fit(X, Y, callbacks=callbacks, verbose=0)
    assert closed == callbacks


def test_the_end_of_training_is_told_the_last_values():
    callback = Everything()
    history = classifier().fit(X, Y, callbacks=callback, verbose=0, epochs=2).history
    (logs,) = [arguments[0] for name, *arguments in callback.calls if name == "on_train_end"]
    assert logs == {name: values[-1] for name, values in history.items()}


# ---- values and arguments that are no numbers -------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda c: c.EarlyStopping(patience="3"), "EarlyStopping: patience .*Received: '3'"),
        (lambda c: c.EarlyStopping(min_delta="a"), "EarlyStopping: min_delta must be a number"),
        (lambda c: c.EarlyStopping(baseline=[]), r"EarlyStopping: baseline .*Received: \[\]"),
        (lambda c: c.EarlyStopping(start_from_epoch=None), "EarlyStopping: start_from_epoch must"),
        (lambda c: c.ReduceLROnPlateau(factor="x"), "ReduceLROnPlateau: factor must be a number"),
        (lambda c: c.ReduceLROnPlateau(cooldown=None), "ReduceLROnPlateau: cooldown must be"),
        (lambda c: c.ReduceLROnPlateau(min_lr="0"), "ReduceLROnPlateau: min_lr must be a number"),
        (
            lambda c: c.ModelCheckpoint("m.keras", initial_value_threshold="x"),
            "ModelCheckpoint: the value to beat must be a number",
        ),
        (
            lambda c: c.LearningRateScheduler(3),
            "LearningRateScheduler: schedule must be .*: 3",
        ),
    ],
)
def test_arguments_that_are_no_numbers_are_named(make, message):
    with pytest.raises(TypeError, match=message):
        make(tinyconv.callbacks)


@pytest.mark.parametrize("value", ["low", [0.5], np.ones(3)], ids=str)
@pytest.mark.parametrize("name", ["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"])
def test_a_monitored_value_that_is_no_number_is_told(name, value, tmp_path):
    class Adds(tinyconv.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["loss"] = value

    options = {"monitor": "loss"}
    if name == "ModelCheckpoint":
        options |= {"filepath": tmp_path / "m.keras", "save_best_only": True}
    watcher = getattr(tinyconv.callbacks, name)(**options)
    with pytest.raises(TypeError, match=f"{name}: the monitored 'loss' must be a number. Received"):
        classifier().fit(*problem(), verbose=0, callbacks=[Adds(), watcher])


def test_a_generator_function_as_validation_data_is_to_be_called():
    def batches():
        yield problem()

    with pytest.raises(ValueError, match=r"Received: function batches\. Call it: batches\(\)"):
        classifier().fit(*problem(), verbose=0, validation_data=batches)
