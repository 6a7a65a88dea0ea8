"""Cross-entropies: how surprised the predicted distribution is by the truth.

Given probabilities they are clipped at 1e-7; given logits, the activation is
fused with the loss (see `Backend.softmax_cross_entropy`) and nothing is clipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import fits
from tinyconv.losses.base import POOLING_MISSING, Loss, clip, readable, same_shape


class CrossEntropy(Loss):
    """Base of the three.

    Args:
        from_logits: whether predictions come without their softmax or sigmoid.
        reduction, name: see `Loss`.
    """

    config_keys: tuple[str, ...] = ("from_logits", *Loss.config_keys)

    def __init__(
        self,
        from_logits: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **unsupported: Any,
    ) -> None:
        super().__init__(reduction, name, **unsupported)
        self.from_logits = bool(from_logits)

    def rows(self, targets: Array, predictions: Array) -> tuple[Array, Array]:
        """Through the fused form for logits, else through probabilities."""
        if self.from_logits:
            xp = get_backend().xp
            ones = xp.ones(len(predictions), predictions.dtype)
            losses, _, dlogits = self.fused_rows(targets, predictions, ones)
            return losses, dlogits
        return self.probability_rows(targets, predictions)

    def probability_rows(self, targets: Array, p: Array) -> tuple[Array, Array]:
        """(losses (N,), derivatives by p (N, K)) for probabilities."""
        raise TypeError(f"{self.name} defines no probability_rows")


class SparseCategoricalCrossentropy(CrossEntropy):
    """loss = -log p[label], labels being whole numbers (N,) or (N, 1), p (N, K).

    Args:
        from_logits: whether predictions come without their softmax.
        reduction, name: see `Loss`.

    Raises:
        ValueError: for labels that are not whole numbers in [0, K).
    """

    fused_activation = "softmax"

    def check_targets(self, y_true: Array, y_pred_shape: tuple[Any, ...]) -> Array:
        """Integer labels of the predictions' shape less its last axis; 2.0 will do for 2."""
        classes = y_pred_shape[-1]
        if y_true.dtype.kind not in "iub":
            if readable(y_true) and not _whole(y_true):
                raise ValueError(
                    f"{self.name}: labels must be integers in [0, {classes}). "
                    f"Received: {y_true.dtype} that are no whole numbers; for probabilities of "
                    "the classes use categorical_crossentropy"
                )
            y_true = y_true.astype("int64")
        if y_true.ndim == len(y_pred_shape) and y_true.shape[-1] == 1:
            y_true = y_true[..., 0]
        if not fits(y_true.shape, y_pred_shape[:-1]):
            flat = len(y_pred_shape) > 2 and y_true.ndim == 1
            hint = (
                f"The model's output has shape {tuple(y_pred_shape)}. {POOLING_MISSING}"
                if flat
                else "For one-hot targets use categorical_crossentropy"
            )
            raise ValueError(
                f"{self.name}: expected one label a sample, of shape {tuple(y_pred_shape[:-1])}. "
                f"Received: shape {y_true.shape}. {hint}"
            )
        if y_true.dtype.kind == "b":
            y_true = y_true.astype("uint8")  # or they would be taken for a mask
        # As unsigned numbers negative ones are larger than all others: one look instead of two.
        if (
            readable(y_true)
            and y_true.size
            and y_true.view(y_true.dtype.str.replace("i", "u")).max() >= classes
        ):
            wrong = int(y_true.min()) if y_true.min() < 0 else int(y_true.max())
            raise ValueError(
                f"{self.name}: labels must be integers in [0, {classes}), for the model has "
                f"{classes} outputs. Received: label {wrong}"
            )
        return y_true

    def fused_rows(
        self, targets: Array, logits: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """dlogits = weight * (p - onehot)."""
        return get_backend().softmax_cross_entropy(logits, targets, weights)

    def probability_rows(self, targets: Array, p: Array) -> tuple[Array, Array]:
        """loss = log(sum_k q_k) - log q[label], q the clipped p.

        Keras takes log q for logits, which divides by their sum once more:
        d/dp_k = 1 / sum q - [k = label] / q_k where p_k was not clipped.
        """
        xp = get_backend().xp
        q, free = clip(p)
        index = xp.arange(len(p))
        total = q.sum(axis=1)
        slopes = xp.repeat(1 / total[:, None], p.shape[1], axis=1)
        slopes[index, targets] -= 1 / q[index, targets]
        return xp.log(total) - xp.log(q[index, targets]), slopes * free


def _whole(numbers: Array) -> bool:
    """Whether floats are whole numbers, of a size that a label may have."""
    return not numbers.size or bool(
        (numbers == np.floor(numbers)).all() and np.abs(numbers).max() < 2**31
    )


class _Smoothed(CrossEntropy):
    """A cross-entropy with dense targets, which may be smoothed.

    Raises:
        ValueError: if label_smoothing is outside [0, 1].
    """

    config_keys = ("from_logits", "label_smoothing", *Loss.config_keys)

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **unsupported: Any,
    ) -> None:
        super().__init__(from_logits, reduction, name, **unsupported)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"{self.name}: label_smoothing must be in [0, 1]. Received: {label_smoothing}"
            )
        self.label_smoothing = float(label_smoothing)

    def check_targets(self, y_true: Array, y_pred_shape: tuple[Any, ...]) -> Array:
        """Targets in [0, 1] of the predictions' shape."""
        y_true = same_shape(self.name, y_true, y_pred_shape)
        if readable(y_true) and y_true.size and not (y_true.min() >= 0 and y_true.max() <= 1):
            raise ValueError(
                f"{self.name}: targets must be in [0, 1]. "
                f"Received: values from {y_true.min()} to {y_true.max()}"
            )
        return y_true

    def smooth(self, targets: Array, outcomes: int, dtype: Any) -> Array:
        """t (1 - s) + s / outcomes."""
        s = self.label_smoothing
        return targets.astype(dtype) * (1 - s) + s / outcomes


class CategoricalCrossentropy(_Smoothed):
    """loss = -sum_k t_k log p_k, targets t (N, K) a distribution (one-hot, say), p (N, K).

    Args:
        from_logits: whether predictions come without their softmax.
        label_smoothing: s makes the targets t (1 - s) + s / K.
        reduction, name: see `Loss`.

    Raises:
        ValueError: for targets of another shape or outside [0, 1].
    """

    fused_activation = "softmax"

    def fused_rows(
        self, targets: Array, logits: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """dlogits = weight * (p - t)."""
        targets = self.smooth(targets, logits.shape[1], logits.dtype)
        return get_backend().softmax_cross_entropy(logits, targets, weights)

    def probability_rows(self, targets: Array, p: Array) -> tuple[Array, Array]:
        """loss = -sum_k t_k log o_k, o = p / sum p, clipped.

        With do_k = -t_k / o_k: dp_k = (do_k - sum_j do_j o_j) / sum p.
        """
        t, xp = self.smooth(targets, p.shape[1], p.dtype), get_backend().xp
        total = p.sum(axis=1, keepdims=True)
        o = p / total
        q, free = clip(o)
        do = -t / q * free
        return -(t * xp.log(q)).sum(axis=1), (do - (do * o).sum(axis=1, keepdims=True)) / total


class BinaryCrossentropy(_Smoothed):
    """loss = mean over outputs of -t log p - (1 - t) log(1 - p), t and p (N, K); t may be (N,).

    Args:
        from_logits: whether predictions come without their sigmoid.
        label_smoothing: s makes the targets t (1 - s) + s / 2.
        reduction, name: see `Loss`.

    Raises:
        ValueError: for targets of another shape or outside [0, 1].
    """

    fused_activation = "sigmoid"

    def fused_rows(
        self, targets: Array, logits: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """dlogits = weight * (p - t) / K."""
        targets = self.smooth(targets, 2, logits.dtype)
        return get_backend().sigmoid_cross_entropy(logits, targets, weights)

    def probability_rows(self, targets: Array, p: Array) -> tuple[Array, Array]:
        """d/dp = ((1 - t) / (1 - p) - t / p) / K where p was not clipped."""
        t, xp = self.smooth(targets, 2, p.dtype), get_backend().xp
        q, free = clip(p)
        losses = -(t * xp.log(q) + (1 - t) * xp.log(1 - q)).mean(axis=1)
        return losses, ((1 - t) / (1 - q) - t / q) * free / p.shape[1]
