"""Graphs that hypothesis draws, and shrinks where one is red."""

from hypothesis import given, settings

from parity.cases.graph import Graph
from parity.cases.random_graphs import QUICK, cases, drawn, graph_case, graphs
from parity.run import rows
from tinyconv.backends import available_backends


@given(graphs())
@settings(max_examples=QUICK, deadline=None, derandomize=True)
def test_every_gradient_of_one_step(graph: Graph):
    for row in rows([graph_case(graph)], available_backends()):
        assert row.passed, (row.backend, row.dtype, row.problem, row.red, dict(row.errors))


def test_the_same_graphs_in_every_run():
    assert [case.note for case in cases(8)] == [case.note for case in cases(8)]
    assert len(cases(20)) > 15


def test_they_have_what_makes_a_graph():
    found = drawn(100)
    assert sum(len(graph.inputs) > 1 for graph in found) > 20
    assert sum(len(graph.outputs) > 1 for graph in found) > 20
    assert sum(bool(graph.frozen) for graph in found) > 20
    assert sum(any(isinstance(each, Graph) for each in graph.layers) for graph in found) > 10
    shared = [len({call.layer for call in graph.calls}) < len(graph.calls) for graph in found]
    assert sum(shared) > 20
    merges = [cls for graph in found for cls, _ in graph.uses]
    assert min(merges.count("Add"), merges.count("Concatenate")) > 20
