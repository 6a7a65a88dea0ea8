"""Cross-entropy fused with the activation below it, the textbook version.

Fusing gives the gradient (p - target), and a loss that never takes the
logarithm of a probability that was rounded to zero.
"""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array, Backend
from tinyconv.backends.numpy.activations import sigmoid, softmax


class Losses(Backend):
    def softmax_cross_entropy(
        self, logits: Array, targets: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """loss = -sum_k t_k log p_k with log p_k = z_k - max - log sum e^(z - max).

        dlogits = weight * (p * sum_k t_k - t); the sum is 1 for a distribution.
        """
        if targets.ndim == 1:
            targets = np.eye(logits.shape[1], dtype=logits.dtype)[targets]
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        # 0 * -inf is NaN, but a class that is not the target adds nothing to the loss.
        losses = -(targets * np.where(targets == 0, 0, log_p)).sum(axis=1)
        losses = np.where(np.isnan(logits).any(axis=1), np.nan, losses).astype(logits.dtype)
        p = softmax(logits)
        dlogits = weights[:, None] * (p * targets.sum(axis=1, keepdims=True) - targets)
        return losses, p, dlogits

    def sigmoid_cross_entropy(
        self, logits: Array, targets: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """loss = mean over k of max(z, 0) - z t + log(1 + e^-|z|).

        dlogits = weight * (p - t) / K.
        """
        K = logits.shape[1]
        per_output = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
        p = sigmoid(logits)
        return per_output.mean(axis=1), p, weights[:, None] * (p - targets) / K
