"""Batch normalisation, one channel at a time; the channel is a plain list of M numbers.

x^ = (x - mean) / s        s = sqrt(variance + epsilon)        y = gamma * x^ + beta
"""

import math

import numpy as np


def batch_norm(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(y, mean, biased variance), the statistics taken from the batch itself."""
    channels = list(_channels(x))
    mean = np.array([_mean(values) for values in channels])
    variance = np.array([_variance(values) for values in channels])
    return normalize(x, gamma, beta, mean, variance, epsilon), mean, variance


def normalize(
    x: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float,
) -> np.ndarray:
    """y with statistics that are given."""
    y = np.zeros(x.shape)
    for c in range(x.shape[-1]):
        s = math.sqrt(float(variance[c]) + epsilon)
        for index in np.ndindex(x.shape[:-1]):
            x_hat = (float(x[(*index, c)]) - float(mean[c])) / s
            y[(*index, c)] = float(gamma[c]) * x_hat + float(beta[c])
    return y


def normalize_backward(
    dy: np.ndarray,
    x: np.ndarray,
    gamma: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dgamma, dbeta) where mean and variance do not depend on x."""
    C = x.shape[-1]
    dx, dgamma, dbeta = np.zeros(x.shape), np.zeros(C), np.zeros(C)
    for c in range(C):
        s = math.sqrt(float(variance[c]) + epsilon)
        for index in np.ndindex(x.shape[:-1]):
            at, upstream = (*index, c), float(dy[(*index, c)])
            dx[at] = upstream * float(gamma[c]) / s
            dgamma[c] += upstream * (float(x[at]) - float(mean[c])) / s
            dbeta[c] += upstream
    return dx, dgamma, dbeta


def batch_norm_backward(
    dy: np.ndarray, x: np.ndarray, gamma: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(dx, dgamma, dbeta) where mean and variance move with x.

    The whole Jacobian, term by term, from d mean / d x_a = 1 / M and
    d variance / d x_a = 2 (x_a - mean) / M:

        d x^_b / d x_a = (1 if a == b else 0) / s  -  1 / (M s)
                         - (x_b - mean) (x_a - mean) / (M s^3)
    """
    mean = np.array([_mean(values) for values in _channels(x)])
    variance = np.array([_variance(values) for values in _channels(x)])
    _, dgamma, dbeta = normalize_backward(dy, x, gamma, mean, variance, epsilon)
    dx = np.zeros(x.shape)
    for c, (values, upstream) in enumerate(zip(_channels(x), _channels(dy), strict=True)):
        M, s = len(values), math.sqrt(variance[c] + epsilon)
        centred = [value - mean[c] for value in values]
        for a, index in enumerate(np.ndindex(x.shape[:-1])):
            dx[(*index, c)] = float(gamma[c]) * math.fsum(
                upstream[b] * ((a == b) / s - 1 / (M * s) - centred[b] * centred[a] / (M * s**3))
                for b in range(M)
            )
    return dx, dgamma, dbeta


def _channels(x: np.ndarray):
    """The values of each channel, in the order of np.ndindex."""
    for c in range(x.shape[-1]):
        yield [float(x[(*index, c)]) for index in np.ndindex(x.shape[:-1])]


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: list[float]) -> float:
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values) / len(values)
