"""The short form of concurrency.py and interrupts.py."""

import os

import pytest

import tinyconv
from tests.trust import concurrency, interrupts, workers
from tests.trust.programs import fresh_seed

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and terminals")


def test_eight_threads_predict_what_one_does():
    assert concurrency.predictions(2, fresh_seed()) == 2 * (2 + len(concurrency.NETWORKS))


def test_two_trainings_at_once():
    assert concurrency.trainings_in_threads(1, fresh_seed()) == 2


@posix
@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("layer", workers.threading_layers())
def test_a_loader_with_workers(start, layer):
    said = workers.run("loader", fresh_seed(), start, NUMBA_THREADING_LAYER=layer)
    assert said == "trained\n"


@pytest.mark.parametrize("backend", concurrency.BACKENDS)
@pytest.mark.parametrize("place", interrupts.PLACES)
@pytest.mark.parametrize("error", [MemoryError("none left"), RuntimeError("odd")], ids=repr)
def test_an_exception_in_an_operation(error, place, backend):
    with tinyconv.use_backend(backend):
        undisturbed = interrupts.states()
        for number in (1, 3):
            interrupts.at_call(place, number, error, undisturbed)


@posix
@pytest.mark.parametrize("backend", concurrency.BACKENDS)
@pytest.mark.parametrize("kind", ["line", "moment"])
def test_ctrl_c_leaves_whole_steps_and_a_tidy_terminal(kind, backend):
    outcomes = interrupts.campaign(kind, 12, fresh_seed(), backend)
    assert sum(outcomes.values()) == 12
    assert outcomes["interrupted"] > 2
