"""A NaN or an infinity among the inputs reaches the loss, whatever lies between.

`fit` refuses such inputs before it computes; but they can also arise on the way, and an
algorithm that lets them vanish would hide that.
"""

import numpy as np
import pytest

import tinyconv
from tinyconv import config, layers
from tinyconv.training.batch import Batch
from tinyconv.training.step import forward_and_loss


def convolution(channels: int, **arguments):
    """Few channels and many, with and without pooling: each has an algorithm of its own."""
    return (
        (16, 16, channels),
        [
            layers.Conv2D(**{"filters": 48, "kernel_size": 3, "padding": "same", **arguments}),
            layers.MaxPooling2D(2),
            layers.Flatten(),
        ],
    )


NETWORKS = {
    "dense": ((300,), [layers.Dense(64, "relu")]),
    "wide dense": ((3000,), [layers.Dense(256, "relu"), layers.Dense(128)]),
    "first convolution": convolution(1, activation="relu"),
    "colours, strided": convolution(3, kernel_size=7, strides=2, activation="relu"),
    "3x3": convolution(32, activation="relu"),
    "3x3 without activation": convolution(32),
    "3x3 valid, relu apart": (
        (16, 16, 32),
        [layers.Conv2D(32, 3), layers.ReLU(), layers.MaxPooling2D(2), layers.Flatten()],
    ),
    "1x1": convolution(32, kernel_size=1, activation="relu"),
    "1x1 strided": convolution(32, kernel_size=1, strides=2, padding="valid", activation="relu"),
    "dilated": convolution(16, dilation_rate=2, activation="relu"),
    "groups": convolution(16, groups=4, activation="relu"),
    "batch normalisation": (
        (16, 16, 32),
        [
            layers.Conv2D(32, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
        ],
    ),
    "pooling": (
        (16, 16, 8),
        [
            layers.MaxPooling2D(3, 2, "same"),
            layers.AveragePooling2D(2),
            layers.GlobalMaxPooling2D(),
        ],
    ),
}


@pytest.fixture(params=tinyconv.available_backends())
def backend(request: pytest.FixtureRequest):
    said = "ignore" if request.param == "numpy" else "raise"  # kernels say nothing about them
    with tinyconv.use_backend(request.param), np.errstate(invalid=said, over=said):
        yield


@pytest.fixture(params=[True, False], ids=["plan", "no plan"])
def planned(request: pytest.FixtureRequest):
    before = config.planning()
    config.set_planning(request.param)
    yield
    config.set_planning(before)


@pytest.mark.usefixtures("backend", "planned")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch", [1, 9])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_it_reaches_the_loss(network: str, batch: int, training: bool, value: float):
    tinyconv.utils.set_random_seed(0)
    shape, body = NETWORKS[network]
    copies = [type(layer).from_config({**layer.get_config(), "name": None}) for layer in body]
    model = tinyconv.Sequential([tinyconv.Input(shape), *copies, layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    generator = np.random.default_rng(0)
    x = np.abs(generator.standard_normal((batch, *shape))).astype("float32")
    y = generator.integers(0, 10, batch)
    result, _ = forward_and_loss(model, Batch([x], [y], [None]), training)
    assert np.isfinite(result.value)
    # An even row and column: those that a stride of 2 looks at.
    place = tuple(size // 4 * 2 for size in shape[:-1])
    x[(batch // 2, *place, shape[-1] // 2)] = value
    result, _ = forward_and_loss(model, Batch([x], [y], [None]), training)
    assert not np.isfinite(result.value)
    own = result.predictions[0][batch // 2]
    assert not np.isfinite(own).all()
