"""Batch normalisation over all axes but the last, the textbook version.

    x^ = (x - mean) / sqrt(variance + epsilon)        y = gamma * x^ + beta

Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithm 1 and the
gradients of section 3.
"""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array, Backend
from tinyconv.backends.numpy.reduction import channel_sum


class Normalization(Backend):
    def batch_norm(
        self, x: Array, gamma: Array, beta: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """Mean and biased variance of the batch, then `normalize` with them."""
        M = x.size // x.shape[-1]
        mean = channel_sum(x) / x.dtype.type(M)
        variance = channel_sum(np.square(x - mean)) / x.dtype.type(M)
        return self.normalize(x, gamma, beta, mean, variance, epsilon), mean, variance

    def batch_norm_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """dx = gamma / s * (dy - mean(dy) - x^ * mean(dy * x^)), s = sqrt(variance + epsilon).

        Moving one x moves the mean and the variance too: the two means take away
        from dy what a shift and a stretch of the whole channel would do, for those
        leave y as it is.
        """
        dx, dgamma, dbeta = self.normalize_backward(dy, x, gamma, mean, variance, epsilon)
        M = x.size // x.shape[-1]
        inverse = 1 / np.sqrt(variance + epsilon)
        x_hat = (x - mean) * inverse
        dx -= gamma * inverse * (dbeta + x_hat * dgamma) / M
        return dx, dgamma, dbeta

    def normalize(
        self, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
    ) -> Array:
        """y = gamma * x^ + beta."""
        inverse = 1 / np.sqrt(variance + epsilon)
        return np.asarray((x - mean) * (gamma * inverse) + beta, x.dtype)

    def normalize_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """dx = dy * gamma / s, dgamma = sum of dy * x^, dbeta = sum of dy."""
        inverse = 1 / np.sqrt(variance + epsilon)
        x_hat = (x - mean) * inverse
        return dy * (gamma * inverse), channel_sum(dy * x_hat), channel_sum(dy)
