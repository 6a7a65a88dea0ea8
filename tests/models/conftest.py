"""What all tests of models share."""

import pytest

import tinyconv
from tinyconv import config


@pytest.fixture(autouse=True)
def names_start_anew():
    """dense, dense_1, ... count from the beginning in every test."""
    tinyconv.utils.clear_session()


@pytest.fixture(autouse=True)
def planning_is_switched_on_again():
    yield
    config.set_planning(True)
    config.set_batch_norm_folding(True)


@pytest.fixture(params=["numpy", "numba"])
def backend(request):
    with tinyconv.use_backend(request.param) as chosen:
        yield chosen
