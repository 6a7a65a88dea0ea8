"""Large arrays of a step come from the pool, and go back to it as soon as nobody needs them."""

import gc
import tracemalloc

import numpy as np
import pytest

import tinyconv
from tinyconv import Input, Sequential, layers
from tinyconv.backends.numba import workspace
from tinyconv.backends.numba.workspace import Pool


@pytest.fixture(autouse=True)
def numba():
    with tinyconv.use_backend("numba"):
        yield


@pytest.fixture
def fresh(monkeypatch):
    """Sizes in bytes of what the pool has to get from the system, from now on."""
    sizes, take = [], Pool._take
    gc.collect()
    workspace._pool.forget()

    def spy(pool, size):
        raw = take(pool, size)
        if raw is None:
            sizes.append(size)
        return raw

    monkeypatch.setattr(Pool, "_take", spy)
    return sizes


def network():
    model = Sequential([
        Input((32, 32, 3)),
        layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", use_bias=False), layers.BatchNormalization(),
        layers.ReLU(), layers.MaxPooling2D(), layers.Flatten(),
        layers.Dense(64, activation="relu"), layers.Dropout(0.2), layers.Dense(10, "softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_after_a_few_steps_nothing_large_is_allocated(fresh):
    model = network()
    x, y = np.ones((32, 32, 32, 3), "float32"), np.arange(32) % 10
    for _ in range(3):
        model.train_on_batch(x, y)
    assert fresh
    warm = len(fresh)
    for _ in range(5):
        model.train_on_batch(x, y)
    assert fresh[warm:] == []
    for _ in range(2):
        model.predict_on_batch(x)
    warm = len(fresh)
    for _ in range(5):
        model.predict_on_batch(x)
    assert fresh[warm:] == []


def test_nothing_large_is_allocated_beside_the_pool():
    model = network()
    x, y = np.ones((32, 32, 32, 3), "float32"), np.arange(32) % 10
    for _ in range(3):
        model.train_on_batch(x, y)
    tracemalloc.start()
    try:
        model.train_on_batch(x, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes  # a value of the first convolution is five times as large


def test_inference_holds_the_values_of_two_layers_at_once(fresh):
    """However deep the network: what a layer takes is let go when the next one begins."""
    convs = [
        layers.Conv2D(8, 3, padding="same", activation="relu", dtype="float64") for _ in range(12)
    ]
    model = Sequential([Input((40, 40, 8), dtype="float64"), *convs])
    x = np.ones((16, 40, 40, 8))
    model(x)
    assert sum(size >= x.nbytes for size in fresh) <= 2


def test_what_a_layer_keeps_is_let_go_on_the_way_back(fresh):
    """The slope of a value takes the memory of a value that was kept further up."""
    deep = 8
    convs = [layers.Conv2D(8, 3, padding="same", dtype="float64") for _ in range(deep)]
    model = Sequential([Input((40, 40, 8), dtype="float64"), *convs])
    x = np.ones((16, 40, 40, 8))
    (y,), tape = model.forward_for_loss([x], True, [False])
    forward = sum(size >= x.nbytes for size in fresh)
    assert deep <= forward <= deep + 1
    model.backward_from_loss([y], tape)
    assert sum(size >= x.nbytes for size in fresh) <= forward + 3
