"""fit, evaluate and predict on data that come batch by batch."""

import re
import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.models import classifier, problem
from tests.training.pipelines import (
    SOURCES,
    Anew,
    Items,
    assert_same_training,
    cut,
    endless,
    readers,
)
from tinyconv import Input, Model, Sequential, layers
from tinyconv.callbacks import Callback

X, Y = problem()
WEIGHTS = np.linspace(0.5, 2, len(X)).astype("float32")


@pytest.fixture(autouse=True)
def _no_thread_stays():
    assert not readers()
    yield
    patience = time.monotonic() + 30  # tf.data may take its time where the machine is busy
    while readers() and time.monotonic() < patience:
        time.sleep(0.01)
    assert not readers()


class Logs(Callback):
    def __init__(self):
        self.steps, self.params_seen = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.params_seen.append(self.params["steps"])

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append((batch, dict(logs)))


# ---- the same training, whatever the data come from -----------------------------


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("arrays", [(X, Y), (X, Y, WEIGHTS)], ids=["plain", "weighted"])
def test_every_source_trains_as_arrays_do(kind, arrays):
    plain, model, steps, others = classifier(), classifier(), Logs(), Logs()
    plain.fit(
        *arrays[:2], 5, 3, shuffle=False, verbose=0, validation_data=arrays, callbacks=steps,
        sample_weight=arrays[2] if len(arrays) == 3 else None,
    )  # fmt: skip
    data = SOURCES[kind](arrays, 5)
    model.fit(data, epochs=3, shuffle=False, verbose=0, validation_data=data, callbacks=[others])
    assert steps.steps == others.steps
    for name, values in plain.history.history.items():
        # As validation_data the arrays are cut by 32, and so summed in another order.
        same = pytest.approx(values, rel=1e-6) if name.startswith("val_") else values
        assert model.history.history[name] == same
    for weight, expected in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert plain.evaluate(*arrays[:2], 5, 0, *arrays[2:]) == model.evaluate(data, verbose=0)
    np.testing.assert_array_equal(model.predict(data, verbose=0), plain.predict(X, 5, verbose=0))


@given(
    samples=st.integers(1, 12), size=st.integers(1, 13), epochs=st.integers(1, 3),
    steps=st.none() | st.integers(1, 7), kind=st.sampled_from(["iterable", "items"]),
)  # fmt: skip
def test_steps_and_sizes_of_all_kinds(samples, size, epochs, steps, kind):
    arrays = X[:samples], Y[:samples]
    plain, model = classifier(), classifier()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*ran out.*")
        common = {"epochs": epochs, "steps_per_epoch": steps, "shuffle": False, "verbose": 0}
        plain.fit(*arrays, size, **common)
        model.fit(SOURCES[kind](arrays, size), **common)
    assert_same_training(model, plain)


def test_class_weights_count_in_streams():
    plain, model = classifier(), classifier()
    factors = {0: 3.0, 2: 0.5}
    plain.fit(X, Y, 5, shuffle=False, verbose=0, class_weight=factors, sample_weight=WEIGHTS)
    model.fit(Anew(cut((X, Y, WEIGHTS), 5)), verbose=0, class_weight=factors)
    assert_same_training(model, plain)


def test_shuffling_changes_the_order_of_items_batches():
    seen = []

    class Watched(Items):
        def __getitem__(self, number):
            seen.append(number)
            return super().__getitem__(number)

    data = Watched(cut((X, Y), 2))
    classifier().fit(data, epochs=2, verbose=0)
    first, second = seen[1:12], seen[12:]  # the very first was only looked at
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second
    assert first != list(range(11))
    assert data.ended == 2
    seen.clear()
    classifier().evaluate(data, verbose=0)
    assert seen == [0, *range(11)]


def two_by_two():
    a, b = Input((4,), name="a"), Input((2,), name="b")
    both = layers.Concatenate()([layers.Dense(3, name="da")(a), layers.Dense(3, name="db")(b)])
    left = layers.Dense(1, name="left")(both)
    right = layers.Dense(3, activation="softmax", name="right")(both)
    model = Model([a, b], [left, right])
    rng = np.random.default_rng(5)
    model.set_weights([rng.standard_normal(w.shape) for w in model.weights])
    model.compile("sgd", {"left": "mse", "right": "sparse_categorical_crossentropy"})
    return model


B, LEFT = X[:, :2] * 2, X[:, :1]


@pytest.mark.parametrize(
    "form",
    [
        lambda a, b: ([a[0], a[1]], [b[0], b[1]]),
        lambda a, b: ((a[0], a[1]), (b[0], b[1])),
        lambda a, b: ({"b": a[1], "a": a[0]}, {"right": b[1], "left": b[0]}),
    ],
    ids=["lists", "tuples", "dicts"],
)
def test_several_inputs_and_outputs_in_arrays_and_streams(form):
    inputs, outputs = (X, B), (LEFT, Y)
    models = [two_by_two() for _ in range(3)]
    models[0].fit([X, B], [LEFT, Y], 5, 2, shuffle=False, verbose=0, sample_weight=WEIGHTS)
    models[1].fit(*form(inputs, outputs), 5, 2, shuffle=False, verbose=0, sample_weight=WEIGHTS)
    batches = [(*form(part[:2], part[2:4]), part[4]) for part in cut((X, B, LEFT, Y, WEIGHTS), 5)]
    models[2].fit(Anew(batches), epochs=2, verbose=0)
    for model in models[1:]:
        assert_same_training(model, models[0])
        np.testing.assert_equal(
            model.predict(form(inputs, outputs)[0], verbose=0), models[0].predict([X, B], verbose=0)
        )
    np.testing.assert_equal(
        models[2].predict(Anew(batches), verbose=0), models[0].predict([X, B], 5, verbose=0)
    )
    assert models[2].evaluate(Anew(batches), verbose=0, return_dict=True) == models[0].evaluate(
        [X, B], [LEFT, Y], 5, 0, WEIGHTS, return_dict=True
    )


def test_class_weights_are_for_one_output():
    with pytest.raises(ValueError, match="class_weight is for models with one output"):
        two_by_two().fit([X, B], [LEFT, Y], class_weight={0: 1.0}, verbose=0)


def test_the_first_batch_builds_the_model():
    def fresh():
        model = Sequential([layers.Dense(3, activation="softmax", name="d")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    class BuiltAlready(Callback):
        def on_train_begin(self, logs=None):
            assert self.model.built

    model = fresh()
    model.fit((batch for batch in cut((X, Y), 5)), verbose=0, callbacks=[BuiltAlready()])
    assert model.optimizer.iterations == 5
    model = fresh()
    with pytest.raises(ValueError, match=r"batch 0 .*\[0, 3\)"):
        model.fit(Anew([(X, Y + 9)]), verbose=0)
    model.fit(Anew([(X[:, :2], Y)]), verbose=0)  # of another shape than the one refused


def test_the_number_of_steps_is_known_from_the_second_epoch_on():
    logs = Logs()
    classifier().fit(Anew(cut((X, Y), 5)), epochs=2, verbose=0, callbacks=[logs])
    assert logs.params_seen == [None, 5]


@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_without_a_total(verbose, capsys):
    model = classifier()
    model.fit(Anew(cut((X, Y), 5)), epochs=2, verbose=verbose)
    model.predict(Anew(cut((X,), 5)), verbose=verbose)
    assert re.search(r"Epoch 1/2.*Epoch 2/2.*loss", capsys.readouterr().out, re.DOTALL)


# ---- predict --------------------------------------------------------------------


def test_predict_takes_batches_of_x_alone_and_needs_no_compile():
    model = Sequential([Input((4,)), layers.Dense(2)])
    expected = model.predict(X, 5, verbose=0)
    for batches in ([x for (x,) in cut((X,), 5)], cut((X,), 5), cut((X, Y), 5)):
        np.testing.assert_array_equal(model.predict(iter(batches), verbose=0), expected)
        np.testing.assert_array_equal(
            model.predict(endless(batches), steps=2, verbose=0), expected[:10]
        )
    np.testing.assert_array_equal(model.predict(X, 5, verbose=0, steps=2), expected[:10])
    np.testing.assert_array_equal(model.predict(X, 30, verbose=0, steps=1), expected)


# ---- memory ---------------------------------------------------------------------


def test_no_more_than_a_few_batches_are_read_ahead():
    given, taken, ahead = [0], [0], []

    def stream():
        for batch in cut((X, Y), 1):
            given[0] += 1
            ahead.append(given[0] - taken[0])
            yield batch

    class Count(Callback):
        def on_train_batch_end(self, batch, logs=None):
            taken[0] += 1

    classifier().fit(stream(), verbose=0, callbacks=[Count()])
    assert given == taken == [22]
    assert max(ahead) <= 4


def test_an_iterator_is_read_no_further_than_asked_for():
    stream = endless(cut((X, Y), 1))
    classifier().fit(stream, steps_per_epoch=3, epochs=2, verbose=0)
    np.testing.assert_array_equal(next(stream)[0], X[6:7])
    classifier().evaluate(stream, steps=4, verbose=0)
    np.testing.assert_array_equal(next(stream)[0], X[11:12])
