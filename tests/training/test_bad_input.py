"""What people do wrong is told in their words, and nothing is changed by it."""

import re
import warnings

import numpy as np
import pytest

from tests.training.call_mistakes import CALLS
from tests.training.data_mistakes import DATA
from tests.training.trained import RNG, N, X, Y, network
from tinyconv import Input, Sequential, layers, optimizers

TABLE = {**DATA, **CALLS}


def state(model):
    """All that an error must leave as it was."""
    optimizer = model.optimizer
    slots = {name: slot.copy() for name, slot in optimizer.slots.items()}
    history = {name: list(values) for name, values in model.history.history.items()}
    names = [layer.name for layer in model.layers]
    return {
        "weights": model.get_weights(), "slots": slots, "iterations": optimizer.iterations,
        "rate": optimizer.learning_rate, "history": history, "epochs": list(model.history.epoch),
        "names": names, "compiled": model.compiled,
        "record": model.input_record,
    }  # fmt: skip


@pytest.mark.parametrize("mistake", TABLE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:.*the images hold:UserWarning")
def test_a_mistake_is_told_and_changes_nothing(mistake):
    do, error, message = TABLE[mistake]
    model = network()
    before = state(model)
    with pytest.raises(error) as caught:
        do(model)
    assert re.search(message, str(caught.value), re.DOTALL), str(caught.value)
    after = state(model)
    if error is FloatingPointError:  # a training that had begun: its history is a new one
        assert after.pop("history") == {}
        assert after.pop("epochs") == []
        del after["record"]
    np.testing.assert_equal(after, {key: before[key] for key in after})

    history = model.fit(X, Y, 5, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.optimizer.iterations == before["iterations"] + 3
    for weight, old in zip(model.trainable_weights, before["weights"], strict=False):
        assert not np.array_equal(weight.value, old), weight


# ---- images that were never scaled ----------------------------------------------

PIXELS = RNG.integers(0, 256, (N, 6, 6, 2))


def first(*parts):
    tail = [layers.Flatten(), layers.Dense(3, activation="softmax")]
    model = Sequential([Input((6, 6, 2)), *parts, *tail], name="net")
    model.compile(optimizers.SGD(1e-6), "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    ("x", "parts", "told"),
    [
        (PIXELS.astype("uint8"), [], True),
        (PIXELS, [], True),
        (PIXELS.astype("float32"), [], True),
        (PIXELS / 255, [], False),
        ((PIXELS > 99).astype("uint8"), [], False),
        (PIXELS - 127.5, [], False),
        (PIXELS, [lambda: layers.Rescaling(1 / 255)], False),
        (PIXELS, [layers.BatchNormalization], False),
        (PIXELS, [lambda: Sequential([layers.Rescaling(1 / 255)])], False),
        (PIXELS, [layers.ReLU, lambda: layers.Rescaling(1 / 255)], True),
    ],
)
def test_unscaled_images_are_told_once(x, parts, told):
    model = first(*(part() for part in parts))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, Y, 4, epochs=2, verbose=0, validation_data=(x, Y))
        model.evaluate(x, Y, verbose=0)
        model.predict(x, verbose=0)
    assert len(caught) == told
    for warning in caught:
        text = str(warning.message)
        assert re.search(r"'net': the images hold values from 0 to 255.*divide by 255", text)
        assert warning.filename == __file__
    assert len(model.history.epoch) == 2


def test_numbers_that_are_no_images_may_be_large():
    model = Sequential([Input((2,)), layers.Dense(1)])
    model.compile(optimizers.SGD(1e-9), "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(np.full((N, 2), 300), np.zeros(N), verbose=0)
    assert model.optimizer.iterations == 1


# ---- a softmax that has nothing to choose from --------------------------------------


def told_of_softmax(do, *arguments, **more):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        do(*arguments, **more)
    assert all(each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught if "softmax over one value" in str(each.message)]


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize(
    "end",
    [
        [lambda: layers.Dense(1, activation="softmax")],
        [lambda: layers.Dense(1), layers.Softmax],
        [lambda: Sequential([layers.Dense(1), layers.Activation("softmax")])],
    ],
)
def test_a_softmax_of_one_value_is_told_once(built, end):
    start = [Input((6, 6, 2))] if built else []
    model = Sequential([*start, layers.Flatten(), *(part() for part in end)], name="net")
    compiling = told_of_softmax(model.compile, "sgd", "binary_crossentropy")
    fitting = told_of_softmax(model.fit, X, np.ones(N), epochs=2, verbose=0)
    fitting += told_of_softmax(model.fit, X, np.ones(N), verbose=0)
    (message,) = compiling if built else fitting
    assert len(compiling + fitting) == 1
    assert message.startswith("Sequential 'net': the model ends with a softmax over one value")
    assert "activation='sigmoid'" in message


def test_other_ends_are_not_told_of():
    for end in (layers.Dense(2, activation="softmax"), layers.Dense(1, activation="sigmoid")):
        model = Sequential([Input((6, 6, 2)), layers.Flatten(), end])
        assert told_of_softmax(model.compile, "sgd", "mse") == []
