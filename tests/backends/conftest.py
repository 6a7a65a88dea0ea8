"""Every test here runs on every backend, in both precisions."""

import pytest

from tests.backends import present
from tinyconv.backends.base import Backend


@pytest.fixture(scope="session", params=present.BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return present.load(request.param)


@pytest.fixture(scope="session", params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param
