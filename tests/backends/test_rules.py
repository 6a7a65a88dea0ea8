"""The rules that every operation keeps, whatever it computes.

Inputs are never changed: `call` checks that in every test of this folder.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinyconv.backends
from tests.backends.calling import apply, call, given
from tests.backends.cases import CASES, Case
from tests.backends.present import OTHERS
from tests.backends.test_signatures import OPERATIONS
from tests.comparison import assert_close
from tests.strategies import LAYOUTS
from tinyconv.backends.base import Backend


def every_case(but: str = "") -> pytest.MarkDecorator:
    cases = [case for case in CASES if case.name != but]
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


EVERY = every_case()


def run(backend: Backend, case: Case, dtype: str, **options) -> list[np.ndarray]:
    """All results of the operation, as a list; without the bias' gradient where there is none."""
    results = call(backend, case.operation, *case.arguments(dtype, **options))
    results = results if isinstance(results, tuple) else (results,)
    return [result for result in results if result is not None]


def bits(results: list[np.ndarray]) -> list[bytes]:
    return [result.tobytes() for result in results]


def assert_all_close(results: list, expected: list, dtype: str, tolerance: float) -> None:
    for result, value in zip(results, expected, strict=True):
        if value.dtype.kind == "f":
            scale = np.abs(value).max()
            assert_close(result, value, dtype, scale=scale, tolerance=tolerance)
        else:
            np.testing.assert_array_equal(result, value)


def test_every_operation_has_a_case():
    arrays, updates = {"asarray", "to_numpy"}, {"sgd_update", "rmsprop_update", "adam_update"}
    assert {case.operation for case in CASES} == set(OPERATIONS) - arrays - updates


@every_case(but="dropout")  # backends may draw different masks
@pytest.mark.parametrize("backend", OTHERS, indirect=True)
def test_it_agrees_with_the_textbook(backend: Backend, dtype: str, case: Case):
    """At sizes the naive loops are too slow for, and over memory full of NaN."""
    arguments = case.arguments(dtype)
    spoiled = [
        np.full_like(a, np.nan) if isinstance(a, np.ndarray) and a.dtype.kind == "f" else a
        for a in arguments
    ]
    for _ in range(2):  # the results are freed: their memory may be used for the real ones
        call(backend, case.operation, *spoiled)
    textbook = tinyconv.backends.load("numpy")
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    assert_all_close(run(backend, case, dtype), run(textbook, case, dtype), dtype, tolerance)


@EVERY
@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_strides_do_not_matter(backend: Backend, dtype: str, case: Case, layout: str):
    expected = run(backend, case, dtype)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    assert_all_close(run(backend, case, dtype, layout=layout), expected, dtype, tolerance)


@EVERY
def test_the_same_call_gives_the_same_bits(backend: Backend, dtype: str, case: Case):
    expected = bits(run(backend, case, dtype))
    assert [bits(run(backend, case, dtype)) for _ in range(3)] == [expected] * 3


@every_case(but="activate_backward-linear")
def test_writing_into_results_leaves_the_inputs_alone(backend: Backend, dtype: str, case: Case):
    """No result is a view of an argument. Only `linear` may hand on what it was given:
    y may be z where there is no bias, and dz may be dy."""
    arguments = given(backend, case.arguments(dtype))
    results = apply(backend, case.operation, *arguments)
    for result in results if isinstance(results, tuple) else (results,):
        for argument in arguments:
            if result is not None and isinstance(argument, backend.xp.ndarray):
                assert not backend.xp.shares_memory(result, argument)


@EVERY
def test_results_survive_later_calls(backend: Backend, dtype: str, case: Case):
    """Also if only a view is left of one: recycled memory must know about views."""
    kept = run(backend, case, dtype, seed=1)
    copies = [result.copy() for result in kept]
    views = [result[1:].T for result in run(backend, case, dtype, seed=2)]
    view_copies = [view.copy() for view in views]
    for seed in range(3, 7):
        run(backend, case, dtype, seed=seed)
    for result, copy in zip([*kept, *views], [*copies, *view_copies], strict=True):
        np.testing.assert_array_equal(result, copy)


def test_results_survive_a_whole_step(backend: Backend):
    """All operations one after the other, everything kept, everything freed, and once more."""
    expected = [bits(run(backend, case, "float32")) for case in CASES]
    kept = [run(backend, case, "float32") for case in CASES]
    assert [bits(results) for results in kept] == expected
    del kept[::2]
    again = [run(backend, case, "float32") for case in CASES]
    assert [bits(results) for results in kept] == expected[1::2]
    assert [bits(results) for results in again] == expected


def test_threads_do_not_disturb_each_other(backend: Backend):
    """Inference from several threads at once gives what one thread gives."""
    names = ("conv2d-", "max_pool-", "activate-", "batch_norm", "matmul", "normalize")
    cases = [case for case in CASES if case.name.startswith(names)]
    expected = [bits(run(backend, case, "float32")) for case in cases]

    def work(start: int) -> list[list[bytes]]:
        """Each thread begins somewhere else, so that different operations meet."""
        order = [(start + i) % len(cases) for i in range(len(cases))]
        results = {i: bits(run(backend, cases[i], "float32")) for i in order}
        return [results[i] for i in range(len(cases))]

    with ThreadPoolExecutor(4) as executor:
        for results in executor.map(work, range(0, 4 * 5, 5)):
            assert results == expected
