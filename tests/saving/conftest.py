"""What the tests of files ask for by name."""

from __future__ import annotations

import tracemalloc

import pytest


@pytest.fixture
def peak():
    """Fail if the test takes more than 150 MB (what NumPy and Python allocate is counted)."""
    tracemalloc.start()
    yield
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 150e6
