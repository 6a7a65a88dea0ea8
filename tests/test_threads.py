"""set_num_threads: the whole process obeys, and results repeat for the same number."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

import tinyconv
from tinyconv import layers
from tinyconv.backends.numba import threads

MOST = threads.most_threads()


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    mask, blas = numba.get_num_threads(), blas_threads()
    monkeypatch.setattr(threads, "_count", None)
    yield
    numba.set_num_threads(mask)
    threads._set_blas_threads(blas)


@pytest.fixture(autouse=True)
def numba_backend():
    with tinyconv.use_backend("numba"):
        yield


def blas_threads() -> list[int]:
    return [library.get_num_threads() for library in threads._blas_libraries()]


def train() -> list[np.ndarray]:
    tinyconv.utils.set_random_seed(1)
    model = tinyconv.Sequential(
        [
            tinyconv.Input((16, 16, 8)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(64, 16, 16, 8)).astype("float32"), rng.integers(0, 10, 64)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=32, verbose=0)
    return model.get_weights()


def test_the_default_is_numbas():
    assert tinyconv.get_num_threads() == numba.get_num_threads()


@pytest.mark.parametrize("count", sorted({1, MOST}))
def test_results_repeat_bit_for_bit(count):
    tinyconv.set_num_threads(count)
    for first, second in zip(train(), train(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_every_python_thread_and_blas_obey():
    tinyconv.set_num_threads(1)
    train()

    def counts() -> tuple[int, int]:
        train()
        return tinyconv.get_num_threads(), numba.get_num_threads()

    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(counts).result() == (1, 1)
    assert (tinyconv.get_num_threads(), numba.get_num_threads()) == (1, 1)
    assert set(blas_threads()) == {1}


@pytest.mark.parametrize(
    ("count", "error", "message"),
    [
        (0, ValueError, f"num_threads must be between 1 and {MOST}, .* Received: 0"),
        (
            MOST + 1,
            ValueError,
            f"num_threads must be between 1 and {MOST}, .* Received: {MOST + 1}",
        ),
        (1.5, TypeError, r"num_threads must be a whole number\. Received: 1\.5"),
        ("2", TypeError, r"num_threads must be a whole number\. Received: '2'"),
    ],
)
def test_what_is_no_number_of_threads(count, error, message):
    with pytest.raises(error, match=message):
        tinyconv.set_num_threads(count)
    assert threads._count is None
