"""How batches become epochs: as in Keras, told more clearly."""

import re
import warnings

import numpy as np
import pytest

from tests.training.models import classifier, problem
from tests.training.pipelines import SOURCES, Anew, cut, endless, readers
from tinyconv import Input, Sequential, layers
from tinyconv.callbacks import Callback

X, Y = problem(20)


class Counted:
    """What both a Keras and our callback record."""

    def __init__(self):
        super().__init__()
        self.steps, self.tests = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.steps.append(0)

    def on_train_batch_end(self, batch, logs=None):
        self.steps[-1] += 1

    def on_test_begin(self, logs=None):
        self.tests.append(0)

    def on_test_batch_end(self, batch, logs=None):
        self.tests[-1] += 1


def run(model, counts, x, **arguments):
    """Weights, steps an epoch, and how often it was told that the data ran out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*x, callbacks=[counts], verbose=0, shuffle=False, **arguments)
    told = [str(each.message) for each in caught if "ran out of data" in str(each.message)]
    told += [str(each.message) for each in caught if "the data ran out" in str(each.message)]
    return counts.steps, counts.tests, len(told), model.get_weights()


def both(make, **arguments):
    """The same fit by Keras and by us."""
    import keras

    weights = classifier("sgd").get_weights()
    theirs = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    theirs.set_weights(weights)
    theirs.compile("sgd", "sparse_categorical_crossentropy")

    class Theirs(Counted, keras.callbacks.Callback):
        pass

    class Ours(Counted, Callback):
        pass

    expected = run(theirs, Theirs(), make(), **arguments)
    return run(classifier("sgd"), Ours(), make(), **arguments), expected


BATCHES = cut((X, Y), 2)  # 10 of them


@pytest.mark.parametrize("steps", [None, 3, 4, 5, 10, 15])
@pytest.mark.parametrize("kind", ["arrays", "tf.data", "PyDataset", "endless"])
def test_epochs_are_those_of_keras(kind, steps):
    if kind == "endless" and steps is None:
        return
    arguments = {"steps_per_epoch": steps, "epochs": 5}
    if kind == "arrays":
        arguments["batch_size"] = 2
    make = {
        "arrays": lambda: (X, Y),
        "endless": lambda: (endless(BATCHES),),
    }.get(kind, lambda: (SOURCES[kind]((X, Y), 2),))
    ours, theirs = both(make, **arguments)
    assert ours[:3] == theirs[:3]
    for weight, expected in zip(ours[3], theirs[3], strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [None, 3, 13])
@pytest.mark.parametrize("freq", [1, 2])
def test_validation_steps_are_those_of_keras(steps, freq):
    def validation():
        data = SOURCES["tf.data"]((X, Y), 2)
        return data.repeat() if steps == 3 else data

    ours, theirs = both(
        lambda: (X, Y), epochs=3, validation_data=validation(), validation_steps=steps,
        validation_freq=freq,
    )  # fmt: skip
    assert ours[:3] == theirs[:3]


@pytest.mark.parametrize("weighted", ["samples", "classes"])
def test_weights_in_a_stream_are_those_of_keras(weighted):
    arrays, arguments = (X, Y, np.linspace(0.2, 2, 20)), {}
    if weighted == "classes":
        arrays, arguments = (X, Y), {"class_weight": {0: 3.0, 1: 0.5, 2: 1.0}}
    ours, theirs = both(lambda: (SOURCES["tf.data"](arrays, 3),), epochs=3, **arguments)
    for weight, expected in zip(ours[3], theirs[3], strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


def test_each_validation_starts_at_the_beginning():
    model = classifier()
    data = SOURCES["tf.data"]((X, Y), 2).repeat()
    history = model.fit(
        X, Y, epochs=3, verbose=0, validation_data=data, validation_steps=4,
    ).history  # fmt: skip
    assert history["val_loss"][-1] == model.evaluate(X[:8], Y[:8], 2, verbose=0)[0]


def test_an_unknown_length_that_steps_divide_makes_no_empty_epoch():
    # Keras counts an epoch without a step here, and warns.
    class Ours(Counted, Callback):
        pass

    steps, _, told, weights = run(
        classifier("sgd"), Ours(), (Anew(BATCHES),), steps_per_epoch=5, epochs=4
    )
    assert (steps, told) == ([5, 5, 5, 5], 0)
    twin = classifier("sgd")
    twin.fit(X, Y, 2, 2, shuffle=False, verbose=0)
    for weight, expected in zip(weights, twin.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_data_that_run_out_are_told_with_their_numbers(method):
    model = classifier()
    steps = {"steps_per_epoch" if method == "fit" else "steps": 14, "verbose": 0}
    with pytest.warns(UserWarning, match="ran out after 10 of 14 steps.*repeat") as caught:
        result = getattr(model, method)(iter(BATCHES), **steps)
    assert [each.filename for each in caught] == [__file__]
    if method == "predict":
        assert len(result) == 20
    assert model.optimizer.iterations == (10 if method == "fit" else 0)


@pytest.mark.parametrize(
    ("arguments", "epochs", "steps", "message"),
    [
        ({"epochs": 3}, 1, 10, "used up, so training ends after 1 of 3 epochs"),
        ({"epochs": 1}, 1, 10, None),
        ({"epochs": 4, "steps_per_epoch": 5}, 2, 10, "used up, so training ends after 2 of 4"),
        ({"epochs": 4, "steps_per_epoch": 4}, 3, 10, "after 2 of 4 steps.*used up.* 3 of 4 epochs"),
        ({"epochs": 2, "steps_per_epoch": 5}, 2, 10, None),
    ],
)
def test_an_iterator_that_is_used_up_ends_the_training(arguments, epochs, steps, message):
    model = classifier()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(iter(BATCHES), verbose=0, **arguments)
    text = " ".join(str(each.message) for each in caught)
    assert bool(text) == bool(message)
    assert message is None or re.search(message, text)
    assert model.optimizer.iterations == steps
    assert model.history.epoch == list(range(epochs))
    assert not readers()


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_no_batch_at_all(method):
    used_up = iter(BATCHES)
    list(used_up)
    with pytest.raises(ValueError, match=f"{method} was given a data set without a single batch"):
        getattr(classifier(), method)(used_up, verbose=0)


def test_evaluate_takes_steps_of_arrays():
    model = classifier()
    assert model.evaluate(X, Y, 2, verbose=0, steps=3) == model.evaluate(X[:6], Y[:6], 2, verbose=0)


def test_each_pass_over_arrays_has_its_own_order():
    seen = []

    class Watched(layers.Layer):
        def forward(self, x, training=False):
            if training:
                seen.extend(np.asarray(x)[:, 0].tolist())
            return self.prepare(x), layers.Cache(self, x.shape)

        def backward(self, dy, cache):
            return dy, {}

    model = Sequential([Input((1,)), Watched(), layers.Dense(1)])
    model.compile("sgd", "mse")
    numbers = np.arange(12.0)[:, None]
    model.fit(numbers, numbers, 2, steps_per_epoch=3, epochs=4, verbose=0)
    first, second = seen[:12], seen[12:]
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
