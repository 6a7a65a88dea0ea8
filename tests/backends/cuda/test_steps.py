"""Steps on a device: recorded or not they give the same bits, and nothing waits for a number.

On the host, with arrays that NumPy cannot get at (strict.py). What only a GPU can show: that
CUDA lets itself be captured, that replayed launches find their memory untouched, and how much
time it saves: `pytest -m gpu`.
"""

from typing import Any

import numpy as np
import pytest

from tests.backends.cuda.small_models import SPARSE, cnn, data, dense, graph, maximum, trained
from tests.backends.cuda.strict import StrictDevice
from tests.backends.cuda.strict_array import StrictArray
from tinyconv import optimizers, regularizers
from tinyconv.backends.cuda.deferred import DeferredLogs
from tinyconv.callbacks import LambdaCallback
from tinyconv.optimizers import schedules

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
