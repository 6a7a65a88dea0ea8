"""Every test here runs on every backend, in both precisions."""

import pytest

import tinyconv.backends
from tinyconv.backends.base import Backend


@pytest.fixture(scope="session", params=tinyconv.backends.available_backends())
def backend(request: pytest.FixtureRequest) -> Backend:
    return tinyconv.backends.load(request.param)


@pytest.fixture(scope="session", params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param
