"""Every test here runs on every backend."""

from collections.abc import Iterator

import pytest

from tinyconv.backends import available_backends, use_backend
from tinyconv.backends.base import Backend


@pytest.fixture(scope="module", params=available_backends(), autouse=True)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with use_backend(request.param) as chosen:
        yield chosen
