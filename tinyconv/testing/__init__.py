"""What a learner checks a layer of their own with; `tests/` uses the same."""

from tinyconv.testing.gradients import assert_gradients, gradcheck, gradcheck_loss
from tinyconv.testing.report import GradientReport, Row

__all__ = ["GradientReport", "Row", "assert_gradients", "gradcheck", "gradcheck_loss"]
