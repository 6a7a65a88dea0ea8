"""Some of the computations with extreme numbers, and how their results are judged."""

import numpy as np
import pytest

from tests.trust.extreme_jobs import PARTS
from tests.trust.extreme_values import verdict
from tests.trust.extremes import campaign, gradients


@pytest.mark.parametrize("part", PARTS)
def test_as_tf_keras_or_better(part):
    outcome = campaign([part], stride={"layers": 23, "inputs": 5}.get(part, 7))
    assert not outcome.red, "\n".join(outcome.red)
    assert outcome.count


def test_gradients_agree_with_difference_quotients():
    outcome = gradients(stride=17)
    assert not outcome.red, "\n".join(outcome.red)


def test_verdicts():
    theirs = np.array([1.0, np.nan, np.inf, 2.0], "float32")
    assert verdict(theirs, theirs, 0)[:3] == (0, 0, 0)
    assert verdict(np.array([np.nan, 1.0, np.inf, 2.5], "float32"), theirs, 0)[:3] == (1, 1, 1)
    denormal = np.array([0.0, 1e-42], "float32")
    assert verdict(denormal, np.zeros(2, "float32"), 0)[:3] == (0, 0, 0)
