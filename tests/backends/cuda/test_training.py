"""The GPU backend's Python from end to end, on the host: training the book's CNN."""

import numpy as np
import pytest

import tinyconv
from tests.backends.cuda.host import HostDevice
from tests.comparison import assert_close
from tinyconv import backends, optimizers
from tinyconv.backends.cuda import CudaBackend
from tinyconv.cli.networks import cnn

OPTIMIZERS = {  # a large epsilon: slopes near zero do not decide the sign of a whole step
    "sgd": lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True, epsilon=1e-2),
    "adam": lambda: optimizers.Adam(0.01, epsilon=1e-2, amsgrad=True),
}


@pytest.fixture
def on_the_host(monkeypatch: pytest.MonkeyPatch) -> CudaBackend:
    """`use_backend("cupy")` takes the host's device."""
    backend = CudaBackend(HostDevice())
    monkeypatch.setitem(backends._loaded, ("cupy", None, False), backend)
    return backend


def train(backend: str, name: str, steps: int) -> tuple[list[np.ndarray], list[float], np.ndarray]:
    """The weights, the losses, and what the model then predicts."""
    generator = np.random.default_rng(0)
    images = generator.random((8, 28, 28, 1), dtype=np.float32)
    labels = generator.integers(0, 10, 8)
    with tinyconv.use_backend(backend):
        tinyconv.random.set_seed(0)
        model = cnn((28, 28, 1), 10)
        model.compile(OPTIMIZERS[name](), "sparse_categorical_crossentropy", metrics=["accuracy"])
        losses = [float(model.train_on_batch(images, labels)[0]) for _ in range(steps)]
        return model.get_weights(), losses, model.predict(images, verbose=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_steps_of_the_cnn_are_the_textbooks(on_the_host: CudaBackend, name: str):
    """Weights, losses, and predictions after them."""
    weights, losses, outputs = train("cupy", name, steps=2)
    expected, expected_losses, expected_outputs = train("numpy", name, steps=2)
    for weight, value in zip(weights, expected, strict=True):
        assert isinstance(weight, np.ndarray)
        assert_close(weight, value, "float32", scale=np.abs(value).max(), tolerance=2e-5)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    np.testing.assert_allclose(outputs, expected_outputs, atol=1e-5)


def test_fit_and_evaluate(on_the_host: CudaBackend):
    """An epoch with shuffling, dropout and batch normalisation, then statistics in use."""
    generator = np.random.default_rng(1)
    labels = np.arange(40) % 2
    images = generator.integers(0, 128, (40, 8, 8, 3)).astype("uint8")
    images[labels == 1, :, :, 0] += 100  # the red ones
    with tinyconv.use_backend("cupy"):
        tinyconv.random.set_seed(1)
        model = tinyconv.Sequential(
            [
                tinyconv.layers.Rescaling(1 / 255, input_shape=(8, 8, 3)),
                tinyconv.layers.Conv2D(4, 3, use_bias=False),
                tinyconv.layers.BatchNormalization(momentum=0.5),
                tinyconv.layers.ReLU(),
                tinyconv.layers.AveragePooling2D(),
                tinyconv.layers.Dropout(0.25),
                tinyconv.layers.Flatten(),
                tinyconv.layers.Dense(1),
            ]
        )
        loss = tinyconv.losses.BinaryCrossentropy(from_logits=True)
        model.compile(optimizers.Adam(0.02), loss, metrics=["accuracy"])
        history = model.fit(images, labels, batch_size=16, epochs=8, verbose=0).history
        evaluated = model.evaluate(images, labels, verbose=0)
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    with tinyconv.use_backend("numpy"):
        twin = model.from_config(model.get_config())
        twin.set_weights(model.get_weights())
        twin.compile("adam", loss, metrics=["accuracy"])
        np.testing.assert_allclose(twin.evaluate(images, labels, verbose=0), evaluated, rtol=1e-4)
