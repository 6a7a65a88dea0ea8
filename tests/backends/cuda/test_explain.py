"""explain and gradcheck on the GPU backend's arrays, with a device on the host."""

import numpy as np
import pytest

import tinyconv
from tests.backends.cuda.host import HostDevice
from tests.backends.cuda.strict import StrictDevice
from tinyconv import Sequential, backends, explain, layers
from tinyconv.backends.cuda import CudaBackend
from tinyconv.cli.networks import cnn


def use(monkeypatch: pytest.MonkeyPatch, device: HostDevice) -> None:
    """`use_backend("cupy")` takes this device."""
    monkeypatch.setitem(backends._loaded, ("cupy", None, False), CudaBackend(device))


def test_trace(monkeypatch):
    """Arrays that NumPy cannot get at; the counts are those of the textbook."""
    use(monkeypatch, StrictDevice())
    x = np.random.default_rng(0).random((2, 8, 8, 1))
    with tinyconv.use_backend("cupy"):
        rows = explain.trace(cnn((8, 8, 1), 3), x, runs=1)
    with tinyconv.use_backend("numpy"):
        expected = explain.trace(cnn((8, 8, 1), 3), x, runs=1)
    for row, other in zip(rows, expected, strict=True):
        assert row.multiply_adds == other.multiply_adds
        assert (row.inputs, row.output) == (other.inputs, other.output)
        if row.kind in ("Conv2D", "Dense", "Flatten"):  # a pool's places are of another type
            assert row.kept == other.kept
            assert row.bytes_moved == other.bytes_moved
            assert row.backward_bytes_moved == other.backward_bytes_moved
    assert "backend cupy" in str(rows)


def test_optimizer_paths(monkeypatch):
    use(monkeypatch, StrictDevice())
    with tinyconv.use_backend("cupy"):
        paths = explain.optimizer_paths(steps=5)
    with tinyconv.use_backend("numpy"):
        expected = explain.optimizer_paths(steps=5)
    for name, path in paths.items():
        np.testing.assert_allclose(path.points, expected[name].points, rtol=1e-6, atol=1e-7)


def test_gradcheck(monkeypatch):
    use(monkeypatch, HostDevice())
    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((3, 5, 5, 2)), np.array([0, 1, 2])
    with tinyconv.use_backend("cupy"):
        made = [layers.Conv2D(2, 3, activation="tanh", dtype="float64")]
        made += [layers.Flatten(dtype="float64"), layers.Dense(3, "softmax", dtype="float64")]
        model = Sequential(made)
        model.compile("sgd", "sparse_categorical_crossentropy")
        for report in (tinyconv.gradcheck(model, x), tinyconv.gradcheck(model, x, y)):
            assert report.passed, str(report)
