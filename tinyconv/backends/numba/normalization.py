"""Batch normalisation: statistics in one pass over the memory, without cancellation.

The tempting one-pass formula, variance = E[x^2] - E[x]^2, subtracts two nearly equal
numbers where the mean is large beside the deviation, and in float32 nothing is left.
Instead each share of the rows, small enough to stay in the cache, is gone through
twice, once for its own mean and once for the deviations from it; what the shares
have found is then put together in double precision (see `batch_statistics`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinyconv.backends.base import LINEAR, Activation, Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.rows import as_rows, partial_sums
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.backends.numpy.fused import Activated, Normalized

# ---- kernels; all see arrays as (rows, C) ------------------------------------


def statistics_loops(x: Array, centers: Array, sums: Array, squares: Array) -> None:
    """centers[p,c]: the mean of share p, rounded; sums and squares of x - center over it.

    Four rows at a time: each addition to a sum in memory has to wait for the one before it.
    """
    (R, C), P = x.shape, centers.shape[0]
    zero = x.dtype.type(0)
    for p in prange(P):
        first, last = p * R // P, (p + 1) * R // P
        fours = last - (last - first) % 4
        inverse = x.dtype.type(1) / x.dtype.type(last - first)
        for c in range(C):
            centers[p, c] = zero
            sums[p, c] = zero
            squares[p, c] = zero
        for r in range(first, fours, 4):
            for c in range(C):
                centers[p, c] += (x[r, c] + x[r + 1, c]) + (x[r + 2, c] + x[r + 3, c])
        for r in range(fours, last):
            for c in range(C):
                centers[p, c] += x[r, c]
        for c in range(C):
            centers[p, c] *= inverse
        for r in range(first, fours, 4):
            for c in range(C):
                a, b = x[r, c] - centers[p, c], x[r + 1, c] - centers[p, c]
                d, e = x[r + 2, c] - centers[p, c], x[r + 3, c] - centers[p, c]
                sums[p, c] += (a + b) + (d + e)
                squares[p, c] += (a * a + b * b) + (d * d + e * e)
        for r in range(fours, last):
            for c in range(C):
                a = x[r, c] - centers[p, c]
                sums[p, c] += a
                squares[p, c] += a * a


def normalize_loops(x: Array, mean: Array, scale: Array, beta: Array, relu: bool, y: Array) -> None:
    """z = (x - mean) * scale + beta;  y = max(z, 0) if `relu`, else z."""
    R, C = x.shape
    zero = x.dtype.type(0)
    for r in prange(R):
        for c in range(C):
            z = (x[r, c] - mean[c]) * scale[c] + beta[c]
            y[r, c] = zero if relu & (z < zero) else z  # so written, NaN stays NaN


def gradient_sums_loops(
    dy: Array, x: Array, y: Array, relu: bool, mean: Array, sums: Array, products: Array
) -> None:
    """sums[p,c], products[p,c]: sum of dz and of dz * (x - mean) over share p.

    dz = dy * (y > 0) if `relu`, else dy. A product, not a choice: NaN in dy must not vanish
    where y is 0.
    """
    (R, C), P = dy.shape, sums.shape[0]
    zero, one = dy.dtype.type(0), dy.dtype.type(1)
    for p in prange(P):
        for c in range(C):
            sums[p, c] = zero
            products[p, c] = zero
        first, last = p * R // P, (p + 1) * R // P
        twos = last - (last - first) % 2
        for r in range(first, twos, 2):
            for c in range(C):
                a = dy[r, c] * (one if (not relu) | (y[r, c] > zero) else zero)
                b = dy[r + 1, c] * (one if (not relu) | (y[r + 1, c] > zero) else zero)
                sums[p, c] += a + b
                products[p, c] += a * (x[r, c] - mean[c]) + b * (x[r + 1, c] - mean[c])
        for r in range(twos, last):
            for c in range(C):
                a = dy[r, c] * (one if (not relu) | (y[r, c] > zero) else zero)
                sums[p, c] += a
                products[p, c] += a * (x[r, c] - mean[c])


def input_gradient_loops(
    dy: Array, x: Array, y: Array, relu: bool, mean: Array, scale: Array, slope: Array,
    shift: Array, dx: Array,
) -> None:  # fmt: skip
    """dx = dz * scale - (x - mean) * slope - shift, dz as above."""
    R, C = dy.shape
    zero, one = dy.dtype.type(0), dy.dtype.type(1)
    for r in prange(R):
        for c in range(C):
            dz = dy[r, c] * (one if (not relu) | (y[r, c] > zero) else zero)
            dx[r, c] = dz * scale[c] - (x[r, c] - mean[c]) * slope[c] - shift[c]


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
        return self.batch_norm_block(x, gamma, beta, None, epsilon, LINEAR, False)[:3]

    def batch_norm_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """dx = gamma / s * (dy - mean(dy) - x^ * mean(dy * x^)), x^ = (x - mean) / s."""
        return _backward(dy, x, None, gamma, mean, variance, epsilon)

    def normalize(
        self, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
    ) -> Array:
        """y = gamma * x^ + beta in one pass."""
        return _normalize(x, gamma, beta, mean, variance, epsilon, relu=False)

    def batch_norm_block(
        self,
        x: Array,
        gamma: Array,
        beta: Array,
        statistics: tuple[Array, Array] | None,
        epsilon: float,
        activation: Activation,
        keep: bool,
    ) -> tuple[Array, Array, Array, Any]:
        """Two passes over x, one where the statistics are given; ReLU in the last of them."""
        x = np.ascontiguousarray(x)
        if statistics is None:
            mean, variance = batch_statistics(x)
        else:
            mean, variance = (each.copy() for each in statistics)
        relu = activation.name == "relu"
        kept = y = _normalize(x, gamma, beta, mean, variance, epsilon, relu)
        if not relu:
            y, kept = self.activate(y, None, activation, overwrite=True)
        if not keep:
            return y, mean, variance, None
        activated = Activated(kept, activation, False)
        return y, mean, variance, Normalized(mean, variance, statistics is None, epsilon, activated)

    def batch_norm_block_backward(
        self, dy: Array, saved: Any, x: Array, gamma: Array, need_parameters: bool
    ) -> tuple[Array, Array | None, Array | None]:
        """Of ReLU and the batch's own statistics: two passes as well."""
        if not saved.by_batch or saved.activated.activation.name != "relu":
            return super().batch_norm_block_backward(dy, saved, x, gamma, need_parameters)
        y, mean, variance = saved.activated.saved, saved.mean, saved.variance
        dx, dgamma, dbeta = _backward(dy, x, y, gamma, mean, variance, saved.epsilon)
        return (dx, dgamma, dbeta) if need_parameters else (dx, None, None)

    def normalize_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """dx = dy * gamma / s, dgamma = sum of dy * x^, dbeta = sum of dy."""
        dy, x = np.ascontiguousarray(dy), np.ascontiguousarray(x)
        inverse, scale = _scale(gamma, variance, epsilon)
        mean = np.ascontiguousarray(mean)
        dgamma, dbeta = _parameter_gradients(as_rows(dy), as_rows(x), None, mean, inverse)
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


def _normalize(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float, relu: bool
) -> Array:
    x = np.ascontiguousarray(x)
    y = empty(x.shape, x.dtype)
    _, scale = _scale(gamma, variance, epsilon)
    mean, beta = np.ascontiguousarray(mean), np.ascontiguousarray(beta)
    normalize_kernel(as_rows(x), mean, scale, beta, relu, as_rows(y))
    return y


def _backward(
    dy: Array,
    x: Array,
    y: Array | None,
    gamma: Array,
    mean: Array,
    variance: Array,
    epsilon: float,
) -> tuple[Array, Array, Array]:
    """The gradients where mean and variance depend on x; y is that of a ReLU, None without."""
    dy, x, mean = np.ascontiguousarray(dy), np.ascontiguousarray(x), np.ascontiguousarray(mean)
    rows, relu = as_rows(dy), y is not None
    gate = None if y is None else as_rows(np.ascontiguousarray(y))
    inverse, scale = _scale(gamma, variance, epsilon)
    dgamma, dbeta = _parameter_gradients(rows, as_rows(x), gate, mean, inverse)
    slope, shift = scale * inverse * dgamma / len(rows), scale * dbeta / len(rows)
    dx = empty(dy.shape, dy.dtype)
    gate = rows if gate is None else gate  # of no effect, but an array
    input_gradient_kernel(rows, as_rows(x), gate, relu, mean, scale, slope, shift, as_rows(dx))
    return dx, dgamma, dbeta


def _parameter_gradients(
    dy: Array, x: Array, y: Array | None, mean: Array, inverse: Array
) -> tuple[Array, Array]:
    sums, products = partial_sums(dy), partial_sums(dy)
    gradient_sums_kernel(dy, x, dy if y is None else y, y is not None, mean, sums, products)
    return products.sum(axis=0) * inverse, sums.sum(axis=0)


def _scale(gamma: Array, variance: Array, epsilon: float) -> tuple[Array, Array]:
    """1 / s and gamma / s with s = sqrt(variance + epsilon)."""
    inverse = 1 / np.sqrt(variance + epsilon)
    return inverse, np.ascontiguousarray(gamma * inverse)
