"""What only a GPU can show; the operations themselves run there as tests/backends.

pytest -m gpu
"""

from collections.abc import Iterator
from typing import Any

import pytest

import tinyconv
from tinyconv.backends.base import Backend

FOLDER = __name__.rpartition(".")[0]


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """All tests of this folder need a GPU."""
    for item in items:
        if item.module.__name__.startswith(FOLDER):
            item.add_marker(pytest.mark.gpu)


@pytest.fixture
def gpu() -> Iterator[Backend]:
    """The backend "cupy", in use."""
    with tinyconv.use_backend("cupy") as backend:
        yield backend
