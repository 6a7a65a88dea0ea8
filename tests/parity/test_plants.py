"""The suite tests itself: every planted error turns all of its rows red."""

import pytest

from parity.plants import PLANTS, Plant, survivors
from tinyconv.backends import available_backends


@pytest.mark.parametrize("backend", available_backends())
@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_is_noticed(plant: Plant, backend: str):
    missed = [(row.case.id, row.dtype, row.worst) for row in survivors(plant, backend)]
    assert not missed


def test_no_name_twice():
    names = [plant.name for plant in PLANTS]
    assert len(set(names)) == len(names)
