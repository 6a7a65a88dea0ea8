"""Some of the computations with extreme numbers, and how their results are judged."""

import numpy as np
import pytest

from parity.sides import Tinyconv
from tests.trust.extreme_jobs import PARTS
from tests.trust.extreme_values import verdict
from tests.trust.extremes import campaign, gradients
from tinyconv.backends import available_backends
from tinyconv.optimizers import SGD


@pytest.mark.parametrize("part", PARTS)
def test_as_tf_keras_or_better(part):
    outcome = campaign([part], stride={"layers": 53, "inputs": 5}.get(part, 7))
    assert not outcome.red, "\n".join(outcome.red)
    assert outcome.count


def test_gradients_agree_with_difference_quotients():
    outcome = gradients(stride=17)
    assert not outcome.red, "\n".join(outcome.red)


@pytest.mark.parametrize("argument", ["clipnorm", "global_clipnorm"])
@pytest.mark.parametrize("backend", available_backends())
def test_a_norm_whose_squares_overflow_is_clipped(backend, argument):
    """tf.keras takes no step, or has NaN."""
    side, start = Tinyconv(backend), [np.zeros(2, "float32")]
    optimizer = SGD(1.0, **{argument: 1.0})
    with side.precision("float32"):
        (moved,) = side.optimize(optimizer, start, [[np.array([3e25, -4e25], "float32")]])
    np.testing.assert_allclose(moved, [-0.6, 0.8], rtol=1e-6)


def test_verdicts():
    theirs = np.array([1.0, np.nan, np.inf, 2.0], "float32")
    assert verdict(theirs, theirs, 0)[:3] == (0, 0, 0)
    assert verdict(np.array([np.nan, 1.0, np.inf, 2.5], "float32"), theirs, 0)[:3] == (1, 1, 1)
    denormal = np.array([0.0, 1e-42], "float32")
    assert verdict(denormal, np.zeros(2, "float32"), 0)[:3] == (0, 0, 0)
