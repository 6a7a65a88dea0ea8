"""Products are exact in float32 unless TF32 is asked for."""

import numpy as np
import pytest

from tinyconv.backends import load
from tinyconv.geometry import slide

# 1 + 2^-12 is a float32; TF32 has 10 bits of mantissa, and rounds it to 1.
FINE = np.float32(1 + 2**-12)
N = 128


def product(backend):
    """FINE times the identity."""
    values, identity = np.full((N, N), FINE), np.eye(N, dtype="float32")
    return backend.matmul(backend.asarray(values), backend.asarray(identity))


def convolution(backend, size):
    """Each channel of an image of FINE to itself: the middle tap is the identity."""
    kernel = np.zeros((size, size, N, N), "float32")
    kernel[size // 2, size // 2] = np.eye(N)
    x = backend.asarray(np.full((4, 16, 16, N), FINE))
    window = slide((16, 16), (size, size), (1, 1), "same")
    return backend.conv2d(x, backend.asarray(kernel), window, 1)


def values_of(backend):
    results = product(backend), convolution(backend, 1), convolution(backend, 3)
    return [np.unique(backend.to_numpy(each)) for each in results]


def test_it_is_off_by_default(gpu):
    matrix, pointwise, windows = values_of(gpu)
    assert matrix == FINE
    assert pointwise == FINE
    np.testing.assert_allclose(windows, FINE, rtol=1e-6)  # Winograd's sums round, as float32 does


def test_it_is_on_where_it_is_asked_for():
    backend = load("cupy", tf32=True)
    card = backend.device.properties
    if card.capability < (8, 0):
        pytest.fail(f"{card.name} has no TF32: run this on a newer card")
    assert np.unique(backend.to_numpy(product(backend))) == 1


def test_a_backend_with_it_leaves_the_others_exact(gpu):
    product(load("cupy", tf32=True))
    assert np.unique(gpu.to_numpy(product(gpu))) == FINE
