"""Networks that hypothesis draws, and shrinks where one is red."""

from hypothesis import given, settings

from parity.cases.random_networks import QUICK, Example, cases, network_case, networks
from parity.run import rows
from tinyconv.backends import available_backends


@given(networks())
@settings(max_examples=QUICK, deadline=None, derandomize=True)
def test_every_gradient_of_one_step(example: Example):
    for row in rows([network_case(example)], available_backends()):
        assert row.passed, (row.backend, row.dtype, row.problem, row.red, dict(row.errors))


def test_the_same_networks_in_every_run():
    assert [case.note for case in cases(8)] == [case.note for case in cases(8)]
    assert len(cases(20)) > 15
