"""Streams that are wrong, end, break or are interrupted: told, and nothing is harmed."""

import os
import re
import signal
import threading
import time

import numpy as np
import pytest

from tests.training.models import classifier, problem
from tests.training.pipelines import Anew, assert_same_training, cut, endless, readers
from tinyconv.callbacks import Callback

X, Y = problem()


@pytest.fixture(autouse=True)
def _no_thread_stays():
    assert not readers()
    yield
    assert not readers()


# ---- arguments that do not go with a stream -------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": Y}, "fit takes no y "),
        ({"sample_weight": Y}, "fit takes no sample_weight "),
        ({"batch_size": 3}, "fit takes no batch_size "),
        ({"validation_split": 0.2}, "fit takes no validation_split "),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be a positive integer.*0"),
        ({"steps_per_epoch": 2.5}, "steps_per_epoch must be a positive integer.*2.5"),
        ({"validation_data": Anew([(X, Y)]), "validation_steps": -1}, "validation_steps must be"),
        (
            {"validation_data": Anew([(X, Y)]), "validation_batch_size": 4},
            "fit takes no validation_batch_size",
        ),
        (
            {"validation_data": iter([(X, Y)]), "epochs": 3},
            "validation_data is an iterator.*only once, and is asked for 3 times",
        ),
        ({"validation_data": iter([])}, "validation was given a data set without a single batch"),
        ({"validation_data": X}, r"validation_data must be \(x, y\).*data set.*ndarray"),
    ],
)
def test_arguments_are_refused_by_name(arguments, message):
    model = classifier()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(Anew(cut((X, Y), 5)), verbose=0, **arguments)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_single_samples_are_told_from_batches():
    model = classifier()
    for y in (Y, np.eye(3)[Y]):
        data = Anew(list(zip(X, y, strict=True)))
        with pytest.raises(
            ValueError, match=r"fit needs batches, .* single samples: .*\.batch\(32\)"
        ):
            model.fit(data, verbose=0)
    with pytest.raises(ValueError, match="predict needs batches"):
        model.predict(Anew(X), verbose=0)


def test_what_is_no_data_set_is_told():
    def batches():
        yield X, Y

    model = classifier()
    with pytest.raises(TypeError, match=r"x is a function\. Call it: batches\(\)"):
        model.fit(batches, verbose=0)
    with pytest.raises(TypeError, match="x is a str"):
        model.fit("train", verbose=0)


def test_endless_data_need_a_number_of_steps():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(5).repeat()
    model = classifier()
    with pytest.raises(ValueError, match="never end: give steps_per_epoch"):
        model.fit(data, verbose=0)
    with pytest.raises(ValueError, match="never end: give steps"):
        model.evaluate(data, verbose=0)
    with pytest.raises(ValueError, match="never end: give steps"):
        model.predict(data, verbose=0)
    with pytest.raises(ValueError, match="never end: give validation_steps"):
        model.fit(X, Y, validation_data=data, verbose=0)
    model.fit(
        data, steps_per_epoch=5, epochs=2, validation_data=data, validation_steps=5, verbose=0
    )
    twin = classifier()
    twin.fit(X, Y, 5, 2, shuffle=False, verbose=0, validation_data=(X, Y), validation_batch_size=5)
    assert_same_training(model, twin)


# ---- batches that are wrong -----------------------------------------------------


def broken(number, batch):
    batches = cut((X, Y), 4)
    batches[number] = batch
    return batches


SPOILT = X[:4] * [1, 1, np.nan, 1]


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ((X[:4, :3], Y[:4]), ValueError, r"expected input of shape \(None, 4\).*\(4, 3\)"),
        ((X[:4, :, None], Y[:4]), ValueError, r"expected input of shape \(None, 4\).*\(4, 4, 1\)"),
        ((X[:0], Y[:0]), ValueError, "x must hold at least one sample"),
        ((X[:4], Y[:3]), ValueError, "x and y must have the same length.*4 and 3"),
        ((SPOILT, Y[:4]), ValueError, r"x must hold finite.*nan in sample 0 at \(2,\)"),
        ((X[:4], Y[:4] + 7), ValueError, r"\[0, 3\)"),
        ((X[:4], Y[:4], [1, 2, np.inf, 1]), ValueError, "sample_weight must hold finite.*inf"),
        ((X[:4], Y[:4], np.ones((4, 2))), ValueError, "sample weights of shape"),
        ((np.array(["cat"] * 4), Y[:4]), TypeError, "x must be an array of numbers.*<U3"),
        (X[:4], ValueError, r"fit needs batches \(x, y\).*x alone"),
        ((X[:4], Y[:4], None, 1), ValueError, r"expected batches \(x,\), \(x, y\) or.*4 things"),
        ((), ValueError, r"expected batches \(x,\), \(x, y\) or.*0 things"),
    ],
)
def test_a_wrong_batch_is_named_and_what_was_trained_stays(number, batch, error, message):
    batches, model, twin = broken(number, batch), classifier(), classifier()
    with pytest.raises(error, match=rf"^batch {number} \(counted from 0\): .*{message}"):
        model.fit(Anew(batches), verbose=0)
    assert not readers()
    if number:
        twin.fit(Anew(batches[:number]), verbose=0)
    for model_now in (model, twin):
        model_now.fit(Anew(cut((X, Y), 4)), verbose=0)
    for weight, expected in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("wrapped", [False, True], ids=["iterator", "tf.data"])
@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "validation"])
@pytest.mark.parametrize("number", [0, 2])
def test_what_the_data_raise_comes_through(number, method, wrapped):
    def stream():
        yield from cut((X, Y), 5)[:number]
        raise OSError("the disk is gone")

    data, error = stream(), OSError
    if wrapped:
        import tensorflow as tf

        kinds = tf.TensorSpec((None, 4), tf.float32), tf.TensorSpec((None,), tf.int64)
        data = tf.data.Dataset.from_generator(stream, output_signature=kinds)
        error = tf.errors.OpError
    model = classifier()
    given = (X, Y) if method == "validation" else (data,)
    more = {"validation_data": data} if method == "validation" else {}
    with pytest.raises(error, match="the disk is gone") as caught:
        getattr(model, "fit" if method == "validation" else method)(*given, verbose=0, **more)
    notes = getattr(caught.value, "__notes__", ["raised by .* batch"])
    assert hasattr(caught.value, "__notes__") == hasattr(BaseException, "add_note")
    if hasattr(caught.value, "__notes__"):
        assert re.search(rf"given to {method}, while batch {number} \(counted", notes[0])
    assert not readers()
    assert model.optimizer.iterations == {"fit": number, "validation": number and 1}.get(method, 0)
    model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_ctrl_c_and_the_like_leave_no_thread_and_a_model_that_works(error):
    class Interrupt(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise error

    model, twin = classifier(), classifier()
    with pytest.raises(error):
        model.fit(endless(cut((X, Y), 5)), steps_per_epoch=9, verbose=0, callbacks=[Interrupt()])
    assert not readers()
    twin.fit(Anew(cut((X, Y), 5)[:3]), verbose=0)
    for each in (model, twin):
        each.fit(X, Y, shuffle=False, verbose=0)
    for weight, expected in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_stop_training_ends_the_reading():
    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    model = classifier()
    model.fit(endless(cut((X, Y), 5)), steps_per_epoch=9, epochs=4, verbose=0, callbacks=[Stop()])
    assert model.optimizer.iterations == 2
    assert len(model.history.epoch) == 1


def test_ctrl_c_while_the_data_are_waited_for(monkeypatch, interruptible):
    monkeypatch.setattr("tinyconv.training.prefetch._PATIENCE", 0.1)
    trained, release = threading.Event(), threading.Event()

    def slow():
        yield from cut((X, Y), 5)[:2]
        assert trained.wait(20)
        time.sleep(0.05)  # until fit waits for the third batch
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(20)

    class Tell(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                trained.set()

    model = classifier()
    with pytest.raises(KeyboardInterrupt):
        model.fit(slow(), verbose=0, callbacks=[Tell()])
    assert model.optimizer.iterations == 2
    release.set()
    for thread in readers():
        thread.join(20)
    model.fit(X, Y, verbose=0)


def test_a_list_of_batches_is_not_taken_for_a_data_set():
    with pytest.raises(ValueError, match=r"needs targets y. A list stands for the inputs"):
        classifier().fit(cut((X, Y), 5), verbose=0)
    with pytest.raises(
        TypeError, match=r"x must be an array of numbers.*list whose parts have uneq"
    ):
        classifier().fit(cut((X, Y), 5), Y, verbose=0)
