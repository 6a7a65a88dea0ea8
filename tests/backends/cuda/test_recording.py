"""When a step is recorded, when anew, and when never; and what goes with a model that is gone."""

import gc
import weakref

import numpy as np
import pytest

from tests.backends.cuda.small_models import SPARSE, cnn, data, trained
from tests.backends.cuda.strict import StrictDevice
from tinyconv import Input, Sequential, layers, metrics, optimizers, regularizers
from tinyconv.backends.cuda.recording import Settings
from tinyconv.callbacks import Callback
from tinyconv.utils import set_random_seed


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


def set_clipvalue(model):
    model.optimizer.clipvalue = 1e-4


def set_new_weights(model):
    model.set_weights([w * 0.5 for w in model.get_weights()])


def set_other_seed(model):
    set_random_seed(99)


@pytest.mark.parametrize(
    "change",
    [set_rate, set_dropout, set_momentum, set_clipvalue, set_new_weights, set_other_seed],
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


def test_what_settings_compare(on):
    on(StrictDevice())
    x, y = data(16)
    model = trained(cnn, x, y, {"optimizer": "sgd", "loss": SPARSE}, epochs=1)[2]
    plan = model.graph.plan(True, [False], model.objective.fused(model.final_activations))
    kept = Settings(plan, model.objective, model.optimizer)
    assert kept.same()
    head, optimizer = model.layers[-1], model.optimizer
    optimizer.iterations += 1
    optimizer.learning_rate = 0.3  # both are read anew in each step
    head.seen = np.ones(3)  # no number
    assert kept.same()
    for things, name, value in (
        (vars(optimizer), "clipnorm", 1.0),  # None before
        (vars(optimizer), "momentum", np.float64(0.5)),
        (vars(model.layers[3]), "rate", 0.4),
        (vars(head), "factor", 2),  # which it did not have
        (head.regularizers, "kernel", regularizers.L2(0.1)),
        (model.objective.weights, 0, 2.0),
    ):
        had = things[name] if isinstance(things, list) or name in things else None
        missing = isinstance(things, dict) and name not in things
        things[name] = value
        assert not kept.same(), name
        if missing:
            del things[name]
        else:
            things[name] = had
        assert kept.same(), name


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
