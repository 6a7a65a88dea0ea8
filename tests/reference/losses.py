"""Cross-entropies of logits, one sample at a time: (losses, p, dlogits).

dlogits is the gradient of sum over n of weights[n] * losses[n].
"""

import math

import numpy as np

from tests.reference.activations import sigmoid, softmax


def softmax_cross_entropy(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """loss = -sum_k t_k log p_k, and d log p_k / d z_j = (1 if j == k else 0) - p_j."""
    N, K = logits.shape
    losses, p, dlogits = np.zeros(N), np.zeros((N, K)), np.zeros((N, K))
    for n in range(N):
        z = [float(value) for value in logits[n]]
        if targets.ndim == 1:
            t = [float(k == targets[n]) for k in range(K)]
        else:
            t = [float(value) for value in targets[n]]
        log_total = max(z) + math.log(math.fsum(math.exp(value - max(z)) for value in z))
        p[n] = softmax(z)
        for k in range(K):
            losses[n] -= t[k] * (z[k] - log_total)
            for j in range(K):
                dlogits[n, j] -= float(weights[n]) * t[k] * ((j == k) - p[n, j])
    return losses, p, dlogits


def sigmoid_cross_entropy(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """loss = mean over k of  -t log p - (1 - t) log(1 - p),  p = sigmoid(z).

    -log p is softplus(-z) and -log(1 - p) is softplus(z).
    """
    N, K = logits.shape
    losses, p, dlogits = np.zeros(N), np.zeros((N, K)), np.zeros((N, K))
    for n in range(N):
        for k in range(K):
            z, t = float(logits[n, k]), float(targets[n, k])
            p[n, k] = sigmoid(z)
            losses[n] += (t * softplus(-z) + (1 - t) * softplus(z)) / K
            slope = -t * sigmoid(-z) + (1 - t) * sigmoid(z)
            dlogits[n, k] = float(weights[n]) * slope / K
    return losses, p, dlogits


def softplus(z: float) -> float:
    """log(1 + e^z), by the form whose exponential is at most 1."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))
