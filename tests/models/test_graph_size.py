"""Models of models of models: a few lines can ask for more steps than there is memory."""

import time

import pytest

from tinyconv import Input, Model, layers


def doubled(times):
    """A model that calls a model twice that calls a model twice ..."""
    x = Input((1,))
    model = Model(x, layers.ReLU()(x))
    for _ in range(times):
        x = Input((1,))
        model = Model(x, model(model(x)))
    return model


def test_a_graph_that_grows_without_end_is_refused_soon():
    assert len(doubled(5).graph.steps) == 32
    started = time.perf_counter()
    with pytest.raises(ValueError, match="more than 100,000 steps"):
        doubled(60)
    assert time.perf_counter() - started < 60
