"""Steps that are recorded and replayed: as one by one, and in the same memory for ever."""

import gc

import numpy as np
import pytest

import tinyconv
from benchmarks.networks import WORK, images, labels
from tests.gpu.training import SHAPES, network
from tinyconv import Sequential, layers, optimizers

BATCH, STEPS = 32, 12


def with_dropout():
    """What draws random numbers, and keeps moving statistics."""
    model = Sequential(
        [
            layers.Conv2D(8, 3, padding="same", use_bias=False, input_shape=(28, 28, 1)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    schedule = optimizers.schedules.ExponentialDecay(0.01, 2, 0.9)  # another rate in each step
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizers.Adam(schedule), loss, metrics=["accuracy"])
    return model


def trained(make):
    """The model after two epochs that end with a shorter batch."""
    tinyconv.utils.set_random_seed(3)
    model = make()
    count = BATCH * STEPS + 5
    model.fit(images((28, 28, 1), count), labels(10, count), BATCH, 2, verbose=0)
    return model


@pytest.mark.parametrize("make", [lambda: network("cnn"), with_dropout], ids=["cnn", "dropout"])
def test_replayed_steps_are_those_launched_one_by_one(gpu, monkeypatch, make):
    replayed = trained(make)
    launch_one_by_one(gpu, monkeypatch)
    launched = trained(make)
    assert recordings(gpu, replayed) >= 1
    assert recordings(gpu, launched) == 0
    for name, values in launched.history.history.items():
        np.testing.assert_allclose(replayed.history.history[name], values, rtol=1e-4)
    for weight, value in zip(replayed.get_weights(), launched.get_weights(), strict=True):
        np.testing.assert_allclose(weight, value, atol=1e-4 * np.abs(value).max())


def launch_one_by_one(gpu, monkeypatch):
    """From now on no step is recorded."""
    monkeypatch.setattr(type(gpu.device), "records", False)


def recordings(gpu, model):
    """How many shapes of batches are replayed."""
    return sum(entry.recording is not None for entry in gpu._runs[model]._entries.values())


@pytest.mark.parametrize("name", ["cnn", "cats vs dogs"])
@pytest.mark.parametrize("recorded", [True, False])
def test_repeated_steps_leak_no_memory(gpu, monkeypatch, name, recorded):
    import cupy

    if not recorded:
        launch_one_by_one(gpu, monkeypatch)
    model = network(name)
    x, y = images(SHAPES[name], BATCH), labels(WORK[name].classes, BATCH)

    def memory(steps):
        for _ in range(steps):
            model.train_on_batch(x, y)
        gc.collect()
        cupy.cuda.Device().synchronize()
        free, _ = cupy.cuda.runtime.memGetInfo()
        return cupy.get_default_memory_pool().used_bytes(), free

    used, free = memory(10)
    used_later, free_later = memory(150)
    assert used_later == used
    # Other programs may use the card as well, but a lost array of each step would be seen.
    assert free - free_later < 64 * 2**20


def test_a_model_that_is_gone_leaves_nothing_behind(gpu):
    import cupy

    def use_one():
        model = network("cnn")
        x, y = images(SHAPES["cnn"], BATCH), labels(10, BATCH)
        for _ in range(6):
            model.train_on_batch(x, y)

    use_one()  # what is loaded once stays
    gc.collect()
    before = cupy.get_default_memory_pool().used_bytes()
    for _ in range(3):
        use_one()
    gc.collect()
    assert cupy.get_default_memory_pool().used_bytes() == before
