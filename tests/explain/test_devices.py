"""The numbers behind the pictures come from a device whose arrays NumPy cannot get at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinyconv.backends
from tests.backends.cuda import host
from tests.backends.cuda.strict import StrictDevice
from tinyconv import Input, Model, Sequential, explain, layers
from tinyconv.backends.cuda import CudaBackend
from tinyconv.utils import set_random_seed

pytestmark = pytest.mark.skipif(host.compiler() is None, reason="no C++ compiler")

RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 8, 8, 1)).astype(np.float32)
Y = np.array([0, 2, 1])
MAPS = RNG.normal(size=(2, 6, 6, 4)).astype(np.float32)


def network() -> Model:
    set_random_seed(1)
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D(name="pool"),
            layers.Dropout(0.0, name="drop"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", kernel_regularizer="l2", name="head"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "im2col": lambda model: explain.patch_product(model.get_layer("conv"), X, (2, 3), 1),
    "col2im": lambda model: explain.pixel_gradient(model.get_layer("conv"), X, (2, 3), dy=MAPS[:1]),
    "values": lambda model: explain.layer_values(model, X),
    "filters": lambda model: explain.filter_values(model.get_layer("conv")),
    "field": lambda model: explain.receptive_field_of(model, X, "pool"),
    "pooling": lambda model: explain.pooled(model.get_layer("pool"), MAPS),
    "activations": lambda model: explain.activation_values(model, X),
    "gradients": lambda model: explain.gradient_values(model, X, Y),
    "gradcam": lambda model: explain.gradcam_values(model, X, 1),
    "saliency": lambda model: explain.saliency_values(model, X, 1),
    "batchnorm": lambda model: explain.normalized(model.get_layer("norm"), MAPS),
}


def leaves(value: Any) -> Iterator[Any]:
    """What a result is made of: NumPy's arrays, numbers and names, and nothing of a device."""
    if isinstance(value, dict):
        value = list(value.items())
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from leaves(each)
    else:
        assert value is None or isinstance(value, (np.ndarray, np.generic, float, int, str))
        yield value


@pytest.mark.parametrize("name", NUMBERS)
def test_a_device_gives_the_same_numbers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for backend in (tinyconv.backends.load("numpy"), CudaBackend(StrictDevice())):
        monkeypatch.setattr(tinyconv.backends, "_current", backend)
        results.append(list(leaves(NUMBERS[name](network()))))
    for expected, told in zip(*results, strict=True):
        if isinstance(expected, (str, type(None))):
            assert told == expected
        else:
            np.testing.assert_allclose(told, expected, rtol=1e-3, atol=1e-4)


def test_dropout_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tinyconv.backends, "_current", CudaBackend(StrictDevice()))
    told = explain.dropped(layers.Dropout(0.5), MAPS, draws=3)
    np.testing.assert_allclose(told.y, np.where(told.kept, 2 * MAPS[0], 0), rtol=1e-6)
