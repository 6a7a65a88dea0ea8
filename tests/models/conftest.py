"""What all tests of models share."""

import pytest

import tinyconv


@pytest.fixture(autouse=True)
def names_start_anew():
    """dense, dense_1, ... count from the beginning in every test."""
    tinyconv.utils.clear_session()
