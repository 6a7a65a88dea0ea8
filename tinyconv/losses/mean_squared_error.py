"""The squared error."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Array
from tinyconv.losses.base import Loss, same_shape


class MeanSquaredError(Loss):
    """loss = mean over outputs of (p - t)^2, t and p (N, K); t may be (N,) for K = 1.

    Raises:
        ValueError: for targets of another shape.
    """

    def check_targets(self, y_true: Array, y_pred_shape: tuple[Any, ...]) -> Array:
        """Targets of the predictions' shape."""
        return same_shape(self.name, y_true, y_pred_shape)

    def rows(self, targets: Array, predictions: Array) -> tuple[Array, Array]:
        """d/dp = 2 (p - t) / K."""
        difference = predictions - targets.astype(predictions.dtype)
        K = predictions.shape[1]
        return (difference * difference).mean(axis=1), 2 * difference / K
