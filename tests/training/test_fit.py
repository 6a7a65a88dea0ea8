import numpy as np
import pytest

import tinyconv
from tests.training.models import assert_same_weights, classifier, problem
from tinyconv import Input, Sequential, layers
from tinyconv.callbacks import Callback
from tinyconv.optimizers import SGD

X, Y = problem()


class Recorder(Callback):
    """Keeps the logs of every step and epoch; stops where it is told to."""

    def __init__(self, stop_at_step=None, stop_at_epoch=None):
        self.steps, self.epochs = [], []
        self.stop_at_step, self.stop_at_epoch = stop_at_step, stop_at_epoch

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(dict(logs))
        if batch == self.stop_at_step:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append((epoch, dict(logs)))
        if epoch == self.stop_at_epoch:
            self.model.stop_training = True


class Watched(layers.Layer):
    """Passes its input on, and keeps what it was given in training."""

    def __init__(self):
        super().__init__(name="watched")
        self.seen = []

    def forward(self, x, training=False):
        x = self.prepare(x)
        if training:
            self.seen.append(np.array(x))
        return x, layers.Cache(self, x.shape)

    def backward(self, dy, cache):
        return dy, {}


def watching():
    """A model whose first layer tells which batches were trained on."""
    model = Sequential([Input((1,)), Watched(), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model, model.layers[0].seen


NUMBERS = np.arange(10, dtype="float32")[:, None]


# ---- history and epochs ---------------------------------------------------------


def test_history_holds_one_value_an_epoch_under_keras_names():
    model = classifier()
    recorder = Recorder()
    history = model.fit(X, Y, 8, 3, verbose=0, callbacks=[recorder], validation_data=(X, Y))
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epoch == [0, 1, 2]
    assert model.history is history
    for name, values in history.history.items():
        assert values == [logs[name] for _, logs in recorder.epochs]
        assert all(isinstance(value, float) for value in values)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(
        [history.history["val_loss"][-1], history.history["val_accuracy"][-1]]
    )


@pytest.mark.parametrize(
    ("initial", "epochs", "freq", "trained", "validated"),
    [
        (0, 4, 1, [0, 1, 2, 3], 4),
        (0, 5, 2, [0, 1, 2, 3, 4], 2),
        (3, 5, 2, [3, 4], 1),
        (2, 2, 1, [], 0),
        (4, 2, 1, [], 0),
    ],
)
def test_initial_epoch_and_validation_freq(initial, epochs, freq, trained, validated):
    history = classifier().fit(
        X, Y, epochs=epochs, initial_epoch=initial, validation_data=(X, Y),
        validation_freq=freq, verbose=0,
    )  # fmt: skip
    assert history.epoch == trained
    assert len(history.history.get("loss", [])) == len(trained)
    assert len(history.history.get("val_loss", [])) == validated


@pytest.mark.parametrize(
    ("where", "steps", "epochs"), [({"stop_at_step": 1}, 2, 1), ({"stop_at_epoch": 1}, 6, 2)]
)
def test_stop_training_ends_it_after_the_step_or_the_epoch(where, steps, epochs):
    model, recorder = classifier(), Recorder(**where)
    history = model.fit(X, Y, 8, 5, verbose=0, callbacks=recorder, validation_data=(X, Y))
    assert len(recorder.steps) == steps
    assert model.optimizer.iterations == steps
    assert [epoch for epoch, _ in recorder.epochs] == list(range(epochs))
    assert len(history.history["val_loss"]) == epochs
    recorder.stop_at_step = recorder.stop_at_epoch = None
    assert len(model.fit(X, Y, 8, 2, verbose=0, callbacks=recorder).epoch) == 2


# ---- batches --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(4, [4, 4, 2]), (5, [5, 5]), (10, [10]), (99, [10]), (None, [10])]
)
def test_batches_in_order_without_shuffle(batch_size, sizes):
    model, seen = watching()
    model.fit(NUMBERS, NUMBERS, batch_size, epochs=2, shuffle=False, verbose=0)
    assert [len(batch) for batch in seen] == sizes * 2
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate([NUMBERS, NUMBERS]))
    assert model.optimizer.iterations == 2 * len(sizes)


def test_shuffle_gives_each_epoch_every_sample_once_in_a_new_order():
    tinyconv.utils.set_random_seed(5)
    model, seen = watching()
    model.fit(NUMBERS, NUMBERS, 4, epochs=2, verbose=0)
    first, second = np.concatenate(seen[:3])[:, 0], np.concatenate(seen[3:])[:, 0]
    assert sorted(first) == sorted(second) == list(range(10))
    assert list(first) != list(range(10))
    assert list(first) != list(second)


def test_labels_and_weights_follow_the_shuffled_samples():
    # A loss of 0 at every sample: any other pairing of x and y would show.
    model, _ = watching()
    model.set_weights([[[2.0]], [1.0]])
    history = model.fit(NUMBERS, 2 * NUMBERS + 1, 3, epochs=2, verbose=0)
    assert history.history["loss"] == [0, 0]
    one = (np.arange(10) == 7) * 1.0
    wrong = 2 * NUMBERS + 1 + 100 * (NUMBERS != 7)
    assert model.fit(NUMBERS, wrong, 3, sample_weight=one, verbose=0).history["loss"] == [0]


@pytest.mark.parametrize(("fraction", "kept"), [(0.2, 8), (0.25, 7), (0.5, 5), (0.99, 0)])
def test_validation_split_takes_the_last_samples_before_shuffling(fraction, kept):
    model, seen = watching()
    model.set_weights([[[1.0]], [0.0]])
    last = np.arange(10)[:, None] >= kept
    y = NUMBERS + 3 * last  # only the last ones are wrong
    arguments = {"validation_split": fraction, "verbose": 0}
    if not kept:
        with pytest.raises(ValueError, match=r"validation_split .* leave samples on both sides"):
            model.fit(NUMBERS, y, **arguments)
        return
    history = model.fit(NUMBERS, y, **arguments).history
    assert sorted(np.concatenate(seen)[:, 0]) == list(range(kept))
    assert history["loss"] == [0]
    assert history["val_loss"] == [9]


def test_validation_data_may_have_weights_and_a_batch_size_of_their_own():
    model, weights = classifier(SGD(0.0)), np.linspace(0, 2, len(X))
    calls = []

    class Counter(Callback):
        def on_test_batch_end(self, batch, logs=None):
            calls.append(batch)

    history = model.fit(
        X, Y, verbose=0, validation_data=(X, Y, weights), validation_batch_size=5,
        callbacks=[Counter()],
    ).history  # fmt: skip
    plain = model.evaluate(X, Y, verbose=0)[0]
    weighted = model.evaluate(X, Y, sample_weight=weights, verbose=0)[0]
    assert history["val_loss"] == pytest.approx([weighted], rel=1e-6)
    assert abs(weighted - plain) > 1e-3
    assert calls == [0, 1, 2, 3, 4]


# ---- learning -------------------------------------------------------------------


def mixed_digits():
    """The set's own test images are by other writers, and harder; here all are mixed."""
    (x, y), (x_test, y_test) = tinyconv.data.digits.load_data()
    order = np.random.default_rng(0).permutation(len(x) + len(x_test))
    images = np.concatenate([x, x_test])[order] / 255.0
    labels = np.concatenate([y, y_test])[order]
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def dense_network():
    return Sequential(
        [
            layers.Flatten(input_shape=(8, 8, 1)),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def cnn():
    return Sequential(
        [
            layers.Conv2D(16, 3, padding="same", activation="relu", input_shape=(8, 8, 1)),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("name", tinyconv.available_backends())
@pytest.mark.parametrize(("make", "epochs"), [(dense_network, 12), (cnn, 5)])
def test_real_digits_are_learnt(make, epochs, name):
    x_train, y_train, x_test, y_test = mixed_digits()
    with tinyconv.use_backend(name):
        tinyconv.utils.set_random_seed(0)
        model = make()
        model.compile(
            tinyconv.optimizers.Adam(0.003),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        history = model.fit(x_train, y_train, 32, epochs, verbose=0).history
        _, accuracy = model.evaluate(x_test, y_test, verbose=0)
        predicted = model.predict(x_test, verbose=0).argmax(axis=1)
    assert accuracy > 0.95
    assert (predicted == y_test).mean() == pytest.approx(accuracy)
    assert history["loss"][-1] < 0.2 * history["loss"][0]


@pytest.mark.parametrize("name", tinyconv.available_backends())
def test_a_seed_makes_a_run_repeat_bit_for_bit(name):
    def run(seed):
        tinyconv.utils.set_random_seed(seed)
        model = cnn()
        model.add(layers.Dropout(0.3))
        model.compile("adam", "mse")
        rng = np.random.default_rng(0)
        x, y = rng.random((70, 8, 8, 1)), rng.random((70, 10))
        model.fit(x, y, 16, 2, verbose=0)
        return model

    with tinyconv.use_backend(name):
        first, second, other = run(1), run(1), run(2)
    assert_same_weights(first, second)
    assert first.history.history == second.history.history
    assert first.history.history != other.history.history
    assert any(
        (a != b).any() for a, b in zip(first.get_weights(), other.get_weights(), strict=True)
    )


def test_float_labels_are_taken_for_classes_if_they_are_whole():
    x, y = problem()
    models = [classifier(), classifier()]
    for model, labels in zip(models, (y, y[:, None].astype("float32")), strict=True):
        model.fit(x, labels, 5, epochs=2, class_weight={1: 2.0}, shuffle=False, verbose=0)
    assert models[0].history.history == models[1].history.history
    assert_same_weights(*models)
