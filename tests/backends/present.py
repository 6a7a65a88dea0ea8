"""The backends that the tests of this folder run on.

HOST is the GPU's backend with NumPy's arrays and its kernels compiled as C++; it is there
where a C++ compiler is. The GPU itself takes part in `pytest -m gpu`.
"""

import functools

import pytest

import tinyconv.backends
from tests.backends.cuda import host
from tinyconv.backends.base import Backend
from tinyconv.backends.cuda import CudaBackend

HOST = "cuda_on_the_host"
GPU = pytest.param("cupy", marks=pytest.mark.gpu)
BACKENDS = ["numpy", "numba", *([HOST] if host.compiler() else []), GPU]
OTHERS = BACKENDS[1:]  # than the textbook


@functools.cache
def load(name: str) -> Backend:
    """The backend of that name; always the same."""
    return CudaBackend(host.HostDevice()) if name == HOST else tinyconv.backends.load(name)
