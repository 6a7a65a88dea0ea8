"""Whole networks against the textbook's backend: losses, weights and outputs."""

import numpy as np
import pytest

import tinyconv
from benchmarks.networks import build, images
from tests.gpu.training import SHAPES, train

# Of the largest value. A network of many layers adds up what each has rounded.
TOLERANCE = {"float32": 2e-4, "float64": 1e-10}


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    tinyconv.config.set_floatx(request.param)
    yield request.param
    tinyconv.config.set_floatx("float32")


def assert_near(found, expected, dtype, least=0.0):
    """Within TOLERANCE of the largest value, or of `least` where all are smaller."""
    assert found.dtype == dtype
    assert found.shape == expected.shape
    error = np.abs(found - expected).max()
    assert error <= TOLERANCE[dtype] * max(np.abs(expected).max(), least)


@pytest.mark.parametrize("name", SHAPES)
def test_steps_of_training(name, dtype):
    found, expected = train("cupy", name, 3), train("numpy", name, 3)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=TOLERANCE[dtype])
    for weight, value in zip(found.weights, expected.weights, strict=True):
        # A bias before BatchNormalization has no gradient but what rounding leaves.
        assert_near(weight, value, dtype, least=0.01)
    assert_near(found.outputs, expected.outputs, dtype)


@pytest.mark.parametrize("name", ["vgg16", "resnet50"])
def test_inference_of_a_large_network(name, dtype):
    x = images((64, 64, 3), 3).astype(dtype)
    outputs = {}
    for backend in ("numpy", "cupy"):
        with tinyconv.use_backend(backend):
            tinyconv.utils.set_random_seed(0)
            outputs[backend] = build("tinyconv", name, (64, 64, 3)).predict(x, verbose=0)
    assert_near(outputs["cupy"], outputs["numpy"], dtype)


def test_a_file_goes_from_one_backend_to_the_other(tmp_path):
    x = images(SHAPES["cnn"], 8)
    with tinyconv.use_backend("cupy"):
        model = build("tinyconv", "cnn")
        expected = model.predict(x, verbose=0)
        model.save(tmp_path / "cnn.keras")
    with tinyconv.use_backend("numpy"):
        found = tinyconv.models.load_model(tmp_path / "cnn.keras").predict(x, verbose=0)
    assert_near(found, expected, "float32")
