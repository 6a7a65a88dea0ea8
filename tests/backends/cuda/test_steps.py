"""Steps on a device: recorded or not they give the same bits, and nothing waits for a number.

On the host, with arrays that NumPy cannot get at (strict.py). What only a GPU can show: that
CUDA lets itself be captured, that replayed launches find their memory untouched, and how much
time it saves: `pytest -m gpu`.
"""

import copy
import gc
import json
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import tinyconv.backends
from tests.backends.cuda import host
from tests.backends.cuda.strict import StrictArray, StrictDevice
from tinyconv import Input, Model, Sequential, layers, metrics, optimizers, regularizers
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.cuda.deferred import DeferredLogs
from tinyconv.callbacks import Callback, LambdaCallback
from tinyconv.optimizers import schedules
from tinyconv.utils import set_random_seed

pytestmark = pytest.mark.skipif(host.compiler() is None, reason="no C++ compiler")

SPARSE = "sparse_categorical_crossentropy"


@pytest.fixture
def on(monkeypatch):
    """Compute on a new device (or another backend) until the end of the test."""

    def choose(device: Any, **options: Any) -> Any:
        backend = tinyconv.backends.load(device) if isinstance(device, str) else CudaBackend(device)
        monkeypatch.setattr(tinyconv.backends, "_current", backend)
        return backend

    return choose


def data(samples=44, classes=5, shape=(8, 8, 1), seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((samples, *shape), np.float32), rng.integers(0, classes, samples)


def cnn(dropout=0.3, norm=True, **dense: Any) -> Model:
    made = [
        Input((8, 8, 1)),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        *([layers.BatchNormalization()] if norm else []),
        layers.MaxPooling2D(),
        layers.Dropout(dropout),
        layers.Flatten(),
        layers.Dense(5, activation="softmax", **dense),
    ]
    return Sequential(made)


def graph() -> Model:
    x = Input((8, 8, 1))
    a = layers.Conv2D(4, 3, strides=2, padding="same", kernel_regularizer="l2")(x)
    b = layers.AveragePooling2D(2)(layers.ZeroPadding2D(1)(layers.Conv2D(4, 3)(x)))
    both = layers.Activation("gelu")(layers.Add()([a, b]))
    both = layers.Concatenate()([both, layers.ReLU(negative_slope=0.1)(a)])
    y = layers.Dense(3, activation="tanh")(layers.GlobalAveragePooling2D()(both))
    return Model(x, layers.Dense(1, activation="sigmoid")(y))


def dense() -> Model:
    return Sequential([Input((8, 8, 1)), layers.Flatten(), layers.Dense(5), layers.Softmax()])


def maximum() -> Model:
    made = [Input((8, 8, 1)), layers.Conv2D(5, 3), layers.GlobalMaxPooling2D(), layers.Softmax()]
    return Sequential(made)


def trained(model, x, y, compiled, **fit):
    """History and weights of a training that starts from the same seed."""
    set_random_seed(7)
    model = model()
    model.compile(**compiled)
    history = model.fit(x, y, **{"batch_size": 8, "epochs": 4, "verbose": 0, **fit}).history
    return history, model.get_weights(), model


CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "sgd": (cnn, optimizers.SGD, {}),
    "momentum": (cnn, lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True), {}),
    "rmsprop": (cnn, optimizers.RMSprop, {"metrics": ["accuracy"]}),
    "adam": (cnn, optimizers.Adam, {"weighted_metrics": ["accuracy"]}),
    "adamw": (cnn, optimizers.AdamW, {"metrics": ["sparse_top_k_categorical_accuracy"]}),
    "clipnorm": (cnn, lambda: optimizers.Adam(clipnorm=0.01), {}),
    "global clipnorm": (cnn, lambda: optimizers.SGD(global_clipnorm=0.01), {}),
    "clipvalue": (cnn, lambda: optimizers.SGD(clipvalue=0.01), {}),
    "schedule": (cnn, lambda: optimizers.Adam(schedules.ExponentialDecay(0.01, 3, 0.5)), {}),
    "regularized": (
        lambda: cnn(kernel_regularizer=regularizers.L1L2(0.01, 0.01)), optimizers.Adam, {},
    ),
    "graph": (graph, optimizers.Adam, {"loss": "binary_crossentropy", "metrics": ["accuracy"]}),
    "mse": (graph, optimizers.SGD, {"loss": "mse", "metrics": ["mse"]}),
    "global maximum": (maximum, optimizers.SGD, {}),
    "from probabilities": (dense, optimizers.SGD, {}),
}  # fmt: skip


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_recorded_steps_are_the_same_bits(on, case, weighted):
    model, optimizer, compiled = CASES[case]
    x, y = data(classes=2 if model is graph else 5)
    weights = {"sample_weight": np.linspace(0, 2, len(x))} if weighted else {}
    results = []
    for records in (False, True):
        device = StrictDevice(records=records)
        on(device)
        made = trained(
            model, x, y, {"optimizer": optimizer(), "loss": SPARSE, **compiled}, **weights
        )
        results.append((made, device.repeated))
    ((eager, eager_weights, _), never), ((recorded, weights, _), often) = results
    assert never == 0
    assert often >= 4 * 6 - 5  # of each shape of batch the first are launched one by one
    assert eager == recorded
    for a, b in zip(eager_weights, weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", CASES)
def test_the_textbook_comes_to_the_same(on, case):
    model, optimizer, compiled = CASES[case]
    x, y = data(classes=2 if model is graph else 5)
    if model is cnn:
        model = lambda: cnn(dropout=0)  # noqa: E731  (its masks are drawn in another way)
    elif model not in (graph, dense, maximum):
        model = lambda: cnn(dropout=0, kernel_regularizer=regularizers.L1L2(0.01, 0.01))  # noqa: E731
    results = []
    for device in ("numpy", StrictDevice()):
        on(device)
        made = trained(model, x, y, {"optimizer": optimizer(), "loss": SPARSE, **compiled})
        results.append(made)
    (textbook, expected, _), (history, weights, _) = results
    for name, values in textbook.items():
        np.testing.assert_allclose(history[name], values, rtol=2e-3, atol=2e-3)
    for a, b in zip(expected, weights, strict=True):
        np.testing.assert_allclose(b, a, rtol=0.05, atol=0.01)


def test_steps_do_not_wait(on):
    reads = {}
    for samples in (64, 640):
        device = StrictDevice()
        on(device)
        x, y = data(samples)
        model = cnn()
        model.compile("adam", SPARSE, metrics=["accuracy"])
        seen = []
        callback = LambdaCallback(
            on_train_batch_end=lambda batch, logs, seen=seen: seen.append(logs)
        )
        model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[callback])
        reads[samples] = device.reads
        assert len(seen) == 2 * samples // 8
    assert reads[64] == reads[640]


def test_a_recorded_step_is_few_launches(on):
    device = StrictDevice()
    on(device)
    x, y = data(80)
    model = cnn()
    model.compile("adam", SPARSE, metrics=["accuracy"])
    launches, uploads = [], []
    note = LambdaCallback(
        on_train_batch_end=lambda batch, logs: (
            launches.append(device.launches), uploads.append(device.uploads),
        )
    )  # fmt: skip
    model.fit(x, y, batch_size=8, verbose=0, callbacks=[note])
    assert max(np.diff(launches)[4:]) <= 12
    assert max(np.diff(uploads)[4:]) <= 2  # the numbers of the step; the batch's rows


def test_logs_are_read_when_somebody_looks(on):
    device = StrictDevice()
    on(device)
    x, y = data(64)
    logs_of = {}
    for records in (False, True):
        device.records = records
        kept, looked = [], []

        def keep(batch, logs, kept=kept):
            kept.append(logs)

        def look(batch, logs, looked=looked):
            looked.append(dict(logs))

        for callback in (keep, look):
            trained(
                cnn, x, y, {"optimizer": "adam", "loss": SPARSE, "metrics": ["accuracy"]},
                callbacks=[LambdaCallback(on_train_batch_end=callback)],
            )  # fmt: skip
        assert all(isinstance(logs, DeferredLogs) for logs in kept)
        assert [dict(logs) for logs in kept] == looked  # each of its own step, however late
        logs_of[records] = looked
    assert logs_of[False] == logs_of[True]


# ---- what changes on the way -------------------------------------------------------


class Changes(Callback):
    """Changes something after each step that has a number in `changes`."""

    def __init__(self, changes):
        self.changes, self.steps = changes, 0

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        self.changes.get(self.steps, lambda model: None)(self.model)


def set_rate(model):
    model.optimizer.learning_rate = 0.5


def set_dropout(model):
    model.layers[3].rate = 0.9


def set_momentum(model):
    model.optimizer.momentum = 0.1


def set_new_weights(model):
    model.set_weights([w * 0.5 for w in model.get_weights()])


def set_other_seed(model):
    set_random_seed(99)


@pytest.mark.parametrize(
    "change", [set_rate, set_dropout, set_momentum, set_new_weights, set_other_seed]
)
def test_changes_are_seen_by_the_next_step(on, change):
    x, y = data(64)
    results = []
    for records, changed in ((False, True), (True, True), (True, False)):
        on(StrictDevice(records=records))
        made = trained(
            cnn, x, y, {"optimizer": optimizers.SGD(0.1, momentum=0.9), "loss": SPARSE}, epochs=1,
            callbacks=[Changes({5: change} if changed else {})],
        )  # fmt: skip
        results.append(made[1])
    eager, recorded, unchanged = results
    for a, b in zip(eager, recorded, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(recorded, unchanged, strict=True))


class Doubled(layers.Layer):
    """A layer of a user, which does something in Python."""

    times = 0

    def forward(self, x, training=False):
        Doubled.times += 1
        return 2 * x, layers.base.Cache(self, x.shape)

    def backward(self, dy, cache):
        return 2 * dy, {}


class Hits(metrics.Metric):
    """A metric of a user, which counts with NumPy."""

    def values(self, y_true, y_pred):
        assert isinstance(y_pred, np.ndarray)
        return np.argmax(y_pred, axis=-1) == y_true


class Plain(optimizers.Optimizer):
    """An optimizer of a user."""

    def update(self, param, grad, learning_rate):
        param -= learning_rate * grad


def with_own_layer():
    made = cnn(dropout=0)
    return Sequential([Input((8, 8, 1)), Doubled(), *made.layers])


@pytest.mark.parametrize(
    ("model", "optimizer", "metric"),
    [
        (with_own_layer, optimizers.SGD, "accuracy"),
        (cnn, optimizers.SGD, Hits),
        (cnn, lambda: Plain(0.01), "accuracy"),
    ],
)
def test_what_is_a_user_s_is_not_recorded(on, model, optimizer, metric):
    device = StrictDevice()
    on(device)
    x, y = data()
    given = metric if isinstance(metric, str) else metric("hits")
    made = trained(model, x, y, {"optimizer": optimizer(), "loss": SPARSE, "metrics": [given]})
    assert device.repeated == 0
    assert made[0]["loss"][-1] < made[0]["loss"][0] + 0.1
    assert all(0 <= value <= 1 for value in made[0].get("hits", made[0].get("accuracy")))
    if model is with_own_layer:
        assert Doubled.times >= 24


def test_a_step_that_cannot_be_recorded_is_launched_one_by_one(on):
    class Refuses(StrictDevice):
        def record(self, function, pool):
            super().record(function, pool)  # as far as CUDA lets it
            raise RuntimeError("cudaErrorStreamCaptureUnsupported")

    results = []
    x, y = data(64)
    for device in (StrictDevice(records=False), Refuses()):
        on(device)
        compiled = {"optimizer": "adam", "loss": SPARSE}
        if device.records:
            with pytest.warns(UserWarning, match="could not be recorded"):
                results.append(trained(cnn, x, y, compiled)[1])
        else:
            results.append(trained(cnn, x, y, compiled)[1])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_recording_that_takes_much_memory_is_not_kept(on):
    device = StrictDevice(memory=1 << 18)
    on(device)
    x, y = data(64)
    trained(cnn, x, y, {"optimizer": "adam", "loss": SPARSE}, batch_size=32)
    assert device.repeated == 0


def test_a_model_that_is_gone_takes_its_recordings_along(on):
    device = StrictDevice()
    backend = on(device)
    x, y = data(64)
    gc.collect()
    before = device.used
    _, _, model = trained(cnn, x, y, {"optimizer": "adam", "loss": SPARSE, "metrics": ["accuracy"]})
    assert device.repeated > 0
    assert len(backend._runs) == 1
    assert device.used > before
    gone = weakref.ref(model)
    del model
    gc.collect()  # the model, and then its run
    assert gone() is None
    assert len(backend._runs) == 0
    gc.collect()  # what the run held
    assert device.used == before


# ---- a loss that is not finite -------------------------------------------------------


@pytest.mark.parametrize("records", [False, True])
def test_after_a_loss_that_is_not_finite_nothing_changes(on, records):
    device = StrictDevice(records=records)
    on(device)
    set_random_seed(7)
    x, y = data(64)
    bad = 5  # of eight steps
    model = cnn(dropout=0)
    compiled = {"optimizer": optimizers.Adam(weight_decay=0.01), "loss": SPARSE}
    model.compile(**compiled)
    before = []

    class Spoils(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            before.append([w.value.copy() for w in self.model.weights])
            if batch == bad:  # no input holds NaN: fit would have told
                self.model.optimizer.learning_rate = 1e38
            if batch == bad + 1:
                self.model.optimizer.learning_rate = 0.001

    with pytest.raises(FloatingPointError) as told:
        model.fit(x, y, batch_size=8, verbose=0, shuffle=False, callbacks=[Spoils()])
    assert len(before) == 8  # nobody looked before the epoch was over
    failed = model.optimizer.iterations
    assert bad < failed < 8
    assert f"after {failed} steps" in str(told.value)
    expected = [device.to_numpy(w) for w in before[failed]]
    for a, b in zip(expected, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.set_weights([np.nan_to_num(w * 0, posinf=0, neginf=0) for w in model.get_weights()])
    model.compile("sgd", SPARSE)
    assert np.isfinite(model.fit(x, y, epochs=2, verbose=0).history["loss"]).all()


def test_who_reads_in_time_stops_in_time(on):
    on(StrictDevice())
    x, _ = data(16)
    model = Sequential([Input((8, 8, 1)), layers.Flatten(), layers.Dense(5)])
    model.compile(optimizers.SGD(1e30), "mse")
    targets = np.zeros((16, 5), "float32")

    def steps():
        for _ in range(5):
            model.train_on_batch(x, targets)

    with pytest.raises(FloatingPointError, match="The weights are those before this step"):
        steps()
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_deferred_logs_are_a_dict():
    reads = []

    def read():
        reads.append(1)
        return {"loss": 1.5, "accuracy": 0.5}

    def logs():
        return DeferredLogs(["loss", "accuracy"], read)

    expected = {"loss": 1.5, "accuracy": 0.5}
    silent = logs()
    assert len(silent) == 2
    assert "loss" in silent
    assert list(silent) == ["loss", "accuracy"]
    assert not reads
    assert silent["loss"] == 1.5
    assert silent["accuracy"] == 0.5
    assert len(reads) == 1
    assert dict(logs()) == {**logs()} == logs() == logs().copy() == expected
    assert list(logs().values()) == [1.5, 0.5]
    assert list(logs().items()) == list(expected.items())
    assert logs().get("accuracy") == 0.5
    assert logs().get("missing") is None
    assert logs().pop("loss") == 1.5
    assert logs() | {"a": 1} == {**expected, "a": 1}
    assert {"a": 1} | logs() == {"a": 1, **expected}
    assert repr(logs()) == repr(expected)
    changed = logs()
    changed["loss"] = 3.0
    assert dict(changed) == {"loss": 3.0, "accuracy": 0.5}
    changed = logs()
    changed.update({"val_loss": 2.0})
    assert dict(changed) == {**expected, "val_loss": 2.0}
    assert copy.deepcopy(logs()) == expected
    assert pickle.loads(pickle.dumps(logs())) == expected
    assert json.dumps(logs()) == json.dumps(expected)


def test_predictions_and_evaluation(on):
    x, y = data()
    results = []
    for device in ("numpy", StrictDevice()):
        on(device)
        _, _, model = trained(
            lambda: cnn(dropout=0),
            x,
            y,
            {"optimizer": "sgd", "loss": SPARSE, "metrics": ["accuracy"]},
        )
        results.append((model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)))
        assert isinstance(results[-1][0], np.ndarray)
    (p, scores), (p_device, scores_device) = results
    np.testing.assert_allclose(p_device, p, atol=1e-3)
    np.testing.assert_allclose(scores_device, scores, atol=1e-3)


def test_data_sets_stay_on_the_device_if_they_are_small(on):
    for memory, kept in ((1 << 30, True), (1 << 19, False)):
        device = StrictDevice(memory=memory)
        backend = on(device)
        x = np.zeros((1000, 8, 8, 1), "uint8")
        arrays = backend.keep([x, None, np.zeros((1000, 100), "float32")])
        assert arrays[1] is None
        assert isinstance(arrays[0], StrictArray) is kept
        assert arrays[0].dtype == "uint8"


class Batches:
    """Batches by number, as of `keras.utils.PyDataset`."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x) // 8

    def __getitem__(self, number):
        rows = slice(8 * number, 8 * number + 8)
        return self.x[rows], self.y[rows]


def test_streams_of_batches(on):
    x, y = data(64)
    results = []
    for stream in (False, True):
        device = StrictDevice()
        on(device)
        given, options = ((Batches(x, y), None), {"batch_size": None}) if stream else ((x, y), {})
        compiled = {"optimizer": "adam", "loss": SPARSE}
        results.append(trained(cnn, *given, compiled, shuffle=False, **options)[:2])
        assert device.repeated > 0
    (arrays, expected), (batches, weights) = results
    assert arrays == batches
    for a, b in zip(expected, weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_moves_from_backend_to_backend(on):
    x, y = data(64)
    on("numpy")
    compiled = {"optimizer": optimizers.Adam(), "loss": SPARSE, "metrics": ["accuracy"]}
    _, _, model = trained(lambda: cnn(dropout=0), x, y, compiled, epochs=1)
    expected = model.predict(x, verbose=0)
    device = StrictDevice()
    on(device)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-4)
    model.fit(x, y, batch_size=8, verbose=0)
    assert device.repeated > 0
    assert model.optimizer.iterations == 16
    expected = model.predict(x, verbose=0)
    on("numpy")
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-4)
    model.fit(x, y, batch_size=8, verbose=0)
    assert all(type(w.value) is np.ndarray for w in model.weights)
    assert all(type(slot) is np.ndarray for slot in model.optimizer.slots.values())
