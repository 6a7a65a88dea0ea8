"""A few hundred of the random configurations, and that the campaign would notice a mistake."""

import numpy as np
import pytest

from tests.trust.configurations import campaign, findings
from tests.trust.contenders import CONTENDERS
from tests.trust.drawing import draw
from tinyconv.backends.numba import NumbaBackend


def test_no_contender_differs_from_the_judges():
    summary = campaign(range(80))
    assert not summary.red, "\n".join(summary.red)
    assert summary.compared["numba / tf.keras"] > 60
    assert summary.compared["numpy / naive loops"] > 60


def test_the_same_configurations_in_every_run():
    assert [draw(i).words for i in range(50)] == [draw(i).words for i in range(50)]
    assert draw(0, seed=1).words != draw(0, seed=2).words


@pytest.mark.parametrize("judged_by", ["naive loops", "tf.keras"])
def test_a_wrong_gradient_is_noticed(monkeypatch, judged_by):
    right = NumbaBackend.max_pool_backward
    monkeypatch.setattr(NumbaBackend, "max_pool_backward", lambda *a: np.roll(right(*a), 1, axis=2))
    config = next(
        config
        for config in map(draw, range(1000))
        if config.layers[0][0] == "MaxPooling2D" and config.shape[2] > 3 and config.shape[0]
    )
    red = [found for found in findings(config, CONTENDERS[:2]) if found.red]
    assert {(found.contender, found.judge) for found in red} >= {("numba", judged_by)}
    assert {found.contender for found in red} == {"numba"}
