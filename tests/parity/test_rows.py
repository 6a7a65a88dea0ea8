"""The quick set of the parity suite: every row green, on every backend and in both dtypes."""

import pytest

from parity.case import Case
from parity.cases import all_cases
from parity.run import rows
from tinyconv.backends import available_backends

QUICK = [case for case in all_cases() if case.quick]


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.id)
def test_case(case: Case):
    for row in rows([case], available_backends()):
        assert row.passed, (row.backend, row.dtype, row.problem, dict(row.errors), case.note)


def test_there_are_enough():
    assert len(QUICK) >= 250
    assert len({case.id for case in all_cases()}) == len(all_cases())
