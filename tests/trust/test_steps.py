"""Some of the runs, shorter: no NaN where tf.keras has none."""

import pytest

from tests.trust.steps import BATCHES, Outcome, Run, Trained, campaign, runs
from tinyconv.backends import available_backends


def test_no_nan_where_keras_has_none():
    steps = 60
    for outcome in campaign(runs()[7::29], steps, available_backends()):
        assert not outcome.bad(steps), str(outcome)
        assert len(outcome.ours.losses) >= BATCHES


@pytest.mark.parametrize(
    ("ours", "theirs", "bad"),
    [
        (Trained([1.0, 1.0], True), Trained([1.0, 1.0], True), False),
        (Trained([1.0], True), Trained([1.0], False), False),
        (Trained([1.0], True), Trained([1.0, 1.0], True), True),
        (Trained([1.0, 1.0], False), Trained([1.0, 1.0], True), True),
    ],
)
def test_what_is_bad(ours, theirs, bad):
    assert Outcome(Run("dense", ("SGD", {}), 1.0), "numpy", ours, theirs).bad(steps=2) is bad
