"""Batch normalisation: statistics in one pass over the memory, without cancellation.

The tempting one-pass formula, variance = E[x^2] - E[x]^2, subtracts two nearly equal
numbers where the mean is large beside the deviation, and in float32 nothing is left.
Instead each share of the rows, small enough to stay in the cache, is gone through
twice, once for its own mean and once for the deviations from it; what the shares
have found is then put together in double precision (see `batch_statistics`).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.rows import as_rows, partial_sums
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy import NumpyBackend

# ---- kernels; all see arrays as (rows, C) ------------------------------------


def statistics_loops(x: Array, centers: Array, sums: Array, squares: Array) -> None:
    """centers[p,c]: the mean of share p, rounded; sums and squares of x - center over it."""
    (R, C), P = x.shape, centers.shape[0]
    zero = x.dtype.type(0)
    for p in prange(P):
        first, last = p * R // P, (p + 1) * R // P
        inverse = x.dtype.type(1) / x.dtype.type(last - first)
        for c in range(C):
            centers[p, c] = zero
            sums[p, c] = zero
            squares[p, c] = zero
        for r in range(first, last):
            for c in range(C):
                centers[p, c] += x[r, c]
        for c in range(C):
            centers[p, c] *= inverse
        for r in range(first, last):
            for c in range(C):
                deviation = x[r, c] - centers[p, c]
                sums[p, c] += deviation
                squares[p, c] += deviation * deviation


def normalize_loops(x: Array, mean: Array, scale: Array, beta: Array, y: Array) -> None:
    """y = (x - mean) * scale + beta."""
    R, C = x.shape
    for r in prange(R):
        for c in range(C):
            y[r, c] = (x[r, c] - mean[c]) * scale[c] + beta[c]


def gradient_sums_loops(dy: Array, x: Array, mean: Array, sums: Array, products: Array) -> None:
    """sums[p,c], products[p,c]: sum of dy and of dy * (x - mean) over share p."""
    (R, C), P = dy.shape, sums.shape[0]
    zero = dy.dtype.type(0)
    for p in prange(P):
        for c in range(C):
            sums[p, c] = zero
            products[p, c] = zero
        for r in range(p * R // P, (p + 1) * R // P):
            for c in range(C):
                sums[p, c] += dy[r, c]
                products[p, c] += dy[r, c] * (x[r, c] - mean[c])


def input_gradient_loops(
    dy: Array, x: Array, mean: Array, scale: Array, slope: Array, shift: Array, dx: Array
) -> None:
    """dx = dy * scale - (x - mean) * slope - shift."""
    R, C = dy.shape
    for r in prange(R):
        for c in range(C):
            dx[r, c] = dy[r, c] * scale[c] - (x[r, c] - mean[c]) * slope[c] - shift[c]


statistics_kernel = jit_parallel(statistics_loops)
normalize_kernel = jit_parallel(normalize_loops)
gradient_sums_kernel = jit_parallel(gradient_sums_loops)
input_gradient_kernel = jit_parallel(input_gradient_loops)


# ---- operations -------------------------------------------------------------


class Normalization(NumpyBackend):
    def batch_norm(
        self, x: Array, gamma: Array, beta: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """Mean and biased variance of the batch, then `normalize` with them."""
        mean, variance = batch_statistics(np.ascontiguousarray(x))
        return self.normalize(x, gamma, beta, mean, variance, epsilon), mean, variance

    def batch_norm_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """dx = gamma / s * (dy - mean(dy) - x^ * mean(dy * x^)), x^ = (x - mean) / s."""
        dy, x = np.ascontiguousarray(dy), np.ascontiguousarray(x)
        rows = as_rows(dy)
        inverse, scale = _scale(gamma, variance, epsilon)
        mean = np.ascontiguousarray(mean)
        dgamma, dbeta = _parameter_gradients(rows, as_rows(x), mean, inverse)
        slope, shift = scale * inverse * dgamma / len(rows), scale * dbeta / len(rows)
        dx = empty(dy.shape, dy.dtype)
        input_gradient_kernel(rows, as_rows(x), mean, scale, slope, shift, as_rows(dx))
        return dx, dgamma, dbeta

    def normalize(
        self, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
    ) -> Array:
        """y = gamma * x^ + beta in one pass."""
        x = np.ascontiguousarray(x)
        y = empty(x.shape, x.dtype)
        _, scale = _scale(gamma, variance, epsilon)
        mean, beta = np.ascontiguousarray(mean), np.ascontiguousarray(beta)
        normalize_kernel(as_rows(x), mean, scale, beta, as_rows(y))
        return y

    def normalize_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """dx = dy * gamma / s, dgamma = sum of dy * x^, dbeta = sum of dy."""
        dy, x = np.ascontiguousarray(dy), np.ascontiguousarray(x)
        inverse, scale = _scale(gamma, variance, epsilon)
        mean = np.ascontiguousarray(mean)
        dgamma, dbeta = _parameter_gradients(as_rows(dy), as_rows(x), mean, inverse)
        return np.multiply(dy, scale, out=empty(dy.shape, dy.dtype)), dgamma, dbeta


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel of a contiguous x.

    Share p has n rows; with a = sum of (x - center) / n, the little by which its center
    misses its mean, mean_p = center + a and q_p = sum of (x - mean_p)^2 is the sum of
    (x - center)^2, less n a^2. Together: variance = sum of q_p + n (mean_p - mean)^2, / R.
    Source: Chan, Golub & LeVeque 1983, "Algorithms for Computing the Sample Variance",
    equations 1.7 and 1.5.
    """
    rows = as_rows(x)
    partials = [partial_sums(rows) for _ in range(3)]
    statistics_kernel(rows, *partials)
    centers, sums, squares = (partial.astype(np.float64) for partial in partials)
    P, R = len(centers), len(rows)
    n = np.diff(np.arange(P + 1) * R // P)[:, None]
    means = centers + sums / n
    mean = (n * means).sum(axis=0) / R
    total = (squares - np.square(sums) / n + n * np.square(means - mean)).sum(axis=0)
    return mean.astype(x.dtype), (total / R).astype(x.dtype)


def _parameter_gradients(dy: Array, x: Array, mean: Array, inverse: Array) -> tuple[Array, Array]:
    sums, products = partial_sums(dy), partial_sums(dy)
    gradient_sums_kernel(dy, x, mean, sums, products)
    return products.sum(axis=0) * inverse, sums.sum(axis=0)


def _scale(gamma: Array, variance: Array, epsilon: float) -> tuple[Array, Array]:
    """1 / s and gamma / s with s = sqrt(variance + epsilon)."""
    inverse = 1 / np.sqrt(variance + epsilon)
    return inverse, np.ascontiguousarray(gamma * inverse)
