"""Too little memory: what is told fits, and nothing has changed. The device is faked."""

import numpy as np
import pytest

import tinyconv.backends
from tests.backends.cuda import host
from tests.backends.cuda.strict import OutOfMemoryError, StrictDevice
from tinyconv import Input, Sequential, layers, optimizers
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.cuda.memory import DeviceMemoryError, Pool, size_text, too_little
from tinyconv.utils import set_random_seed

pytestmark = pytest.mark.skipif(host.compiler() is None, reason="no C++ compiler")

MEMORY = 1 << 20
BATCH = 512


@pytest.fixture
def device(monkeypatch):
    made = StrictDevice(memory=1 << 32)
    monkeypatch.setattr(tinyconv.backends, "_current", CudaBackend(made))
    return made


def model_of(metric="accuracy", optimizer="adam"):
    set_random_seed(3)
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5, seed=1),
            layers.Dropout(0.5),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=[metric])
    return model


def data(samples=BATCH):
    rng = np.random.default_rng(0)
    return rng.random((samples, 8, 8, 1), np.float32), rng.integers(0, 5, samples)


METHODS = {
    "fit": lambda model, x, y, size: model.fit(x, y, batch_size=size, verbose=0),
    "evaluate": lambda model, x, y, size: model.evaluate(x, y, batch_size=size, verbose=0),
    "predict": lambda model, x, y, size: model.predict(x, batch_size=size, verbose=0),
}
WHOLE = {
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "predict_on_batch": lambda model, x, y: model.predict_on_batch(x),
}


@pytest.mark.parametrize("method", METHODS)
def test_the_batch_size_that_is_told_fits(device, method):
    x, y = data()
    model = model_of()
    model.fit(x[:8], y[:8], verbose=0)
    device.memory = device.used + MEMORY // (1 if method == "fit" else 4)
    with pytest.raises(DeviceMemoryError) as told:
        METHODS[method](model, x, y, BATCH)
    error = told.value
    assert error.needed > error.free > 0
    assert error.batch_size in (256, 128, 64, 32, 16)
    text = str(error)
    assert repr(model) in text
    assert "a batch of 512 samples" in text
    assert f"{error.needed:,} bytes" in text
    assert f"{error.free:,} bytes" in text
    assert f"batch_size={error.batch_size} fits" in text
    fits = error.batch_size
    del error, told  # and what they hold of the data set
    METHODS[method](model, x, y, fits)


@pytest.mark.parametrize("method", WHOLE)
def test_a_single_batch(device, method):
    x, y = data()
    model = model_of()
    WHOLE[method](model, x[:8], y[:8])
    device.memory = device.used + MEMORY // 4
    with pytest.raises(DeviceMemoryError) as told:
        WHOLE[method](model, x, y)
    fits = told.value.batch_size
    WHOLE[method](model, x[:fits], y[:fits])


def test_what_is_needed_is_about_what_it_takes(device):
    x, y = data()
    model = model_of()
    model.fit(x[:8], y[:8], verbose=0)
    pool = device.pool()
    with pool:
        model.train_on_batch(x, y)
    device.memory = device.used + MEMORY
    with pytest.raises(DeviceMemoryError) as told:
        model.train_on_batch(x, y)
    assert 0.8 * pool.bytes < told.value.needed < 1.25 * pool.bytes


def test_trying_changes_nothing(device):
    """After the error training goes on as if the batch had never been."""
    x, y = data()
    results = []
    for fails in (False, True):
        device.memory = 1 << 32
        model = model_of()
        model.train_on_batch(x[:8], y[:8])
        if fails:
            before = model.get_weights()
            device.memory = device.used + MEMORY
            with pytest.raises(DeviceMemoryError):
                model.train_on_batch(x, y)
            device.memory = 1 << 32
            assert model.optimizer.iterations == 1
            for a, b in zip(before, model.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
        for n in range(1, 4):
            logs = model.train_on_batch(x[8 * n : 8 * n + 8], y[8 * n : 8 * n + 8])
        results.append((logs, model.get_weights()))
    (logs, weights), (logs_after, weights_after) = results
    assert logs == logs_after
    for a, b in zip(weights, weights_after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_not_even_one_sample(device):
    x, y = data()
    model = model_of()
    model.fit(x[:8], y[:8], verbose=0)
    device.memory = device.used + 500
    with pytest.raises(DeviceMemoryError, match="not even one sample fits") as told:
        model.predict(x, batch_size=BATCH, verbose=0)
    assert told.value.batch_size is None
    assert told.value.needed > 0


def test_an_optimizer_of_a_user_is_not_tried(device):
    class Plain(optimizers.Optimizer):
        def update(self, param, grad, learning_rate):
            param -= learning_rate * grad

    x, y = data()
    model = model_of(optimizer=Plain(0.01))
    model.train_on_batch(x[:8], y[:8])
    device.memory = device.used + MEMORY
    with pytest.raises(DeviceMemoryError, match="try a smaller batch_size") as told:
        model.train_on_batch(x, y)
    assert told.value.batch_size is None


def test_the_memory_of_the_failed_batch_is_free_again(device):
    x, y = data()
    model = model_of()
    model.train_on_batch(x[:8], y[:8])
    used = device.used
    device.memory = used + MEMORY
    for _ in range(3):
        with pytest.raises(MemoryError):
            model.train_on_batch(x, y)
    assert device.used <= used + 1000


def test_other_errors_pass():
    device = StrictDevice()
    assert too_little(device, "model", 4, ValueError("no"), lambda samples: None) is None

    def attempt(samples):
        raise ValueError("another error")

    with pytest.raises(ValueError, match="another error"):
        too_little(device, "model", 4, OutOfMemoryError(100), attempt)


def test_halves_are_tried_until_one_fits():
    tried = []

    class Fixed(Pool):
        bytes = 1000

    device = StrictDevice()
    device.pool = Fixed

    def attempt(samples):
        tried.append(samples)
        if samples > 12:
            raise OutOfMemoryError(10)

    error = too_little(device, "model", 100, OutOfMemoryError(64), attempt)
    assert tried == [50, 25, 12]
    assert error.batch_size == 12
    assert error.needed == 1000 * 100 // 12


def test_sizes():
    assert size_text(3 * 2**29) == "1.5 GiB (1,610,612,736 bytes)"
    assert size_text(2**20) == "1.0 MiB (1,048,576 bytes)"
    assert size_text(1536) == "1.5 KiB (1,536 bytes)"
    assert size_text(0) == "0 bytes"
