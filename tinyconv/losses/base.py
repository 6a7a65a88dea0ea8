"""What all losses share: shapes, sample weights, and the reduction to one number."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinyconv import registry
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import fits

POOLING_MISSING = (
    "The model predicts something at each place: is a GlobalAveragePooling2D or a Flatten missing "
    "before its last layers?"
)
EPSILON = 1e-7  # probabilities are kept this far from 0 and 1, as in Keras
_REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "none", None)


class LossResult(NamedTuple):
    """The outcome of one batch.

    Attributes:
        value: the loss, a float (an array of losses per sample for reduction None).
        gradient: its derivative by the predictions, or by the logits where they were given.
        predictions: the predictions, computed from the logits where those were given.
    """

    value: Any
    gradient: Array
    predictions: Array


class Loss(registry.Shown):
    """loss = sum over samples of weight * loss_of_sample, divided by the number of samples.

    Args:
        reduction: "sum_over_batch_size" ("mean"), "sum", or None for one value a sample.
        name: shown in logs.

    Raises:
        ValueError: for any other reduction.
        TypeError: naming an argument that is not supported.
    """

    fused_activation: str | None = None  # the activation this loss takes over
    config_keys: tuple[str, ...] = ("reduction", "name")

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **unsupported: Any,
    ) -> None:
        cls = type(self).__name__
        if unsupported:
            raise registry.unsupported(type(self), cls, unsupported)
        if reduction not in _REDUCTIONS:
            raise ValueError(
                f"{cls}: reduction must be one of {_REDUCTIONS}. Received: {reduction!r}"
            )
        self.reduction, self.name = reduction, name or cls

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {key: getattr(self, key) for key in self.config_keys}

    # ---- to be defined by a subclass ------------------------------------------

    def check_targets(self, y_true: Array, y_pred_shape: tuple[Any, ...]) -> Array:
        """The targets in their proper shape; ValueError unless they fit the predictions."""
        raise TypeError(f"{self.name} defines no check_targets")

    def rows(self, targets: Array, predictions: Array) -> tuple[Array, Array]:
        """(losses (N,), their derivatives (N, K)) for predictions (N, K)."""
        raise TypeError(f"{self.name} defines no rows")

    def fused_rows(
        self, targets: Array, logits: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """(losses (N,), predictions (N, K), dlogits (N, K)) with the activation taken over."""
        raise TypeError(f"{self.name} takes over no activation")

    # ---- what callers use -----------------------------------------------------

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The loss: a float, or one value a sample for reduction None."""
        return self.compute(y_true, y_pred, sample_weight).value

    def compute(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, from_logits: bool = False
    ) -> LossResult:
        """Loss and gradient of one batch.

        Args:
            y_true: targets, see the loss.
            y_pred: predictions (..., K), or logits; a vector (K,) is one sample.
            sample_weight: factor of each sample, (N,) or of the shape of y_pred less its last axis
                (where an axis may be 1).
            from_logits: whether the activation before this loss is to be taken over.

        Raises:
            ValueError: for targets or weights that do not fit the predictions.
        """
        backend = get_backend()
        y_pred = backend.asarray(y_pred)
        if y_pred.dtype.kind != "f":
            y_pred = y_pred.astype("float32")
        if y_pred.ndim == 0:
            raise ValueError(f"{self.name}: expected predictions (..., K). Received: a number")
        targets = self.check_targets(backend.as_it_is(y_true), y_pred.shape)
        rows = y_pred.reshape(-1, y_pred.shape[-1])
        targets = backend.asarray(targets).reshape(-1, *targets.shape[y_pred.ndim - 1 :])
        averaged = self.reduction in ("sum_over_batch_size", "mean")
        divisor = rows.dtype.type(max(len(rows), 1) if averaged else 1)
        weights = self._weights(sample_weight, divisor, y_pred.shape[:-1])
        if from_logits:
            losses, predictions, gradient = self.fused_rows(targets, rows, weights)
        else:
            losses, slopes = self.rows(targets, rows)
            predictions, gradient = rows, weights[:, None] * slopes
        shape = y_pred.shape
        value: Any = losses * weights
        alone = self.reduction in ("none", None)
        value = value.reshape(shape[:-1]) if alone else backend.number(value.sum())
        return LossResult(value, gradient.reshape(shape), predictions.reshape(shape))

    def check_weights(self, weights: Any, shape: tuple[Any, ...]) -> Any:
        """The sample weights in their proper shape; ValueError unless they fit `shape`."""
        if weights is None:
            return None
        if weights.ndim > len(shape) and weights.shape[-1] == 1:
            weights = weights[..., 0]
        # After the batch an axis may be 1: that weight holds all along the axis.
        sizes = zip(weights.shape[1:], shape[1:], strict=False)
        allowed = (*shape[: min(weights.ndim, 1)], *(1 if n == 1 else size for n, size in sizes))
        if not fits(weights.shape, allowed):
            wanted = f"{shape[:1]}" if len(shape) == 1 else f"{shape[:1]} or {shape}"
            raise ValueError(
                f"{self.name}: expected sample weights of shape {wanted}. "
                f"Received: shape {weights.shape}"
            )
        return weights

    def _weights(self, given: Any, divisor: np.floating, shape: tuple[int, ...]) -> Array:
        """weight / divisor for each row, of the divisor's dtype."""
        dtype = divisor.dtype
        if given is None:
            return get_backend().xp.full(math.prod(shape), dtype.type(1) / divisor)
        weights = self.check_weights(get_backend().asarray(given, dtype), shape) / divisor
        trailing = len(shape) - weights.ndim
        return np.broadcast_to(weights.reshape(*weights.shape, *[1] * trailing), shape).reshape(-1)


def same_shape(loss: str, y_true: Array, y_pred_shape: tuple[Any, ...]) -> Array:
    """Targets of the predictions' shape, with the last axis added where it is 1.

    Raises:
        ValueError: naming the loss and both shapes.
    """
    if fits(y_true.shape, y_pred_shape[:-1]) and y_pred_shape[-1:] == (1,):
        y_true = y_true[..., None]
    if not fits(y_true.shape, y_pred_shape):
        hint = ""
        if y_true.ndim == len(y_pred_shape) - 1 and y_true.dtype.kind in "iu":
            hint = ". For integer classes use sparse_categorical_crossentropy"
        elif y_true.ndim <= 2 < len(y_pred_shape):
            hint = f". {POOLING_MISSING}"
        raise ValueError(
            f"{loss}: expected targets of the predictions' shape {tuple(y_pred_shape)}. "
            f"Received: shape {y_true.shape}{hint}"
        )
    return y_true


def readable(y_true: Any) -> bool:
    """Whether values can be looked at without waiting for a device; there they were before."""
    return isinstance(y_true, np.ndarray)


def clip(p: Array) -> tuple[Array, Array]:
    """Probabilities kept within [EPSILON, 1 - EPSILON], and where they were there already."""
    low, high = p.dtype.type(EPSILON), p.dtype.type(1 - EPSILON)
    xp = get_backend().xp
    return xp.clip(p, low, high), ~((p < low) | (p > high))
