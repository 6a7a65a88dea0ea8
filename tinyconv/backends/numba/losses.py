"""Cross-entropy fused with the activation below it: one row (one sample) at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy import NumpyBackend

# ---- kernels ----------------------------------------------------------------


def softmax_loops(
    logits: Array, targets: Array, weights: Array, losses: Array, p: Array, dlogits: Array
) -> None:
    """loss = -sum_k t_k (z_k - max - log sum e^(z - max));  dlogits = w (p sum_k t_k - t)."""
    N, K = logits.shape
    zero = logits.dtype.type(0)
    for n in prange(N):
        greatest, loss = logits.dtype.type(-np.inf), zero
        for k in range(K):
            z = logits[n, k]
            greatest = max(greatest, z)
            loss = loss if z == z else z  # a NaN must show even where the target is 0
        total, mass = zero, zero
        for k in range(K):
            p[n, k] = math.exp(logits[n, k] - greatest)
            total += p[n, k]
            mass += targets[n, k]
        log_total = math.log(total)
        for k in range(K):
            t = targets[n, k]
            p[n, k] /= total
            dlogits[n, k] = weights[n] * (p[n, k] * mass - t)
            if t != zero:  # 0 * -inf is NaN, but t = 0 adds nothing
                loss -= t * (logits[n, k] - greatest - log_total)
        losses[n] = loss


def softmax_of_classes_loops(
    logits: Array, classes: Array, weights: Array, losses: Array, p: Array, dlogits: Array
) -> None:
    """The same where all of the probability is on one class: t_k = [k = class]."""
    N, K = logits.shape
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    for n in prange(N):
        greatest, loss = logits.dtype.type(-np.inf), zero
        for k in range(K):
            z = logits[n, k]
            greatest = max(greatest, z)
            loss = loss if z == z else z
        total = zero
        for k in range(K):
            p[n, k] = math.exp(logits[n, k] - greatest)
            total += p[n, k]
        for k in range(K):
            p[n, k] /= total
            dlogits[n, k] = weights[n] * (p[n, k] - (one if k == classes[n] else zero))
        losses[n] = loss - (logits[n, classes[n]] - greatest - math.log(total))


def sigmoid_loops(
    logits: Array, targets: Array, weights: Array, losses: Array, p: Array, dlogits: Array
) -> None:
    """loss = mean over k of max(z, 0) - z t + log(1 + e^-|z|);  dlogits = w (p - t) / K."""
    N, K = logits.shape
    zero, one = logits.dtype.type(0), logits.dtype.type(1)
    share = one / logits.dtype.type(K)
    for n in prange(N):
        loss = zero
        for k in range(K):
            z, t = logits[n, k], targets[n, k]
            e = math.exp(-abs(z))
            p[n, k] = (one if z >= zero else e) / (one + e)
            loss += max(z, zero) - z * t + math.log1p(e)
            dlogits[n, k] = weights[n] * (p[n, k] - t) * share
        losses[n] = loss * share


# Not `fast`: z - (max + log sum) would lose what z - max - log sum keeps.
softmax_kernel = jit_parallel(softmax_loops, fast=False)
softmax_of_classes_kernel = jit_parallel(softmax_of_classes_loops, fast=False)
sigmoid_kernel = jit_parallel(sigmoid_loops, fast=False)


# ---- operations -------------------------------------------------------------


class Losses(NumpyBackend):
    def softmax_cross_entropy(
        self, logits: Array, targets: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """-> (losses, p, dlogits)."""
        if targets.ndim == 1:
            return _run(
                softmax_of_classes_kernel, logits, targets.astype("int64", copy=False), weights
            )
        return _run(softmax_kernel, logits, targets.astype(logits.dtype, copy=False), weights)

    def sigmoid_cross_entropy(
        self, logits: Array, targets: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """-> (losses, p, dlogits)."""
        return _run(sigmoid_kernel, logits, targets.astype(logits.dtype, copy=False), weights)


def _run(kernel: Any, logits: Array, targets: Array, weights: Array) -> tuple[Array, Array, Array]:
    """The kernel on contiguous arrays."""
    dtype = logits.dtype
    logits, targets = np.ascontiguousarray(logits), np.ascontiguousarray(targets)
    weights = np.ascontiguousarray(weights, dtype)
    losses = np.empty(len(logits), dtype)
    p, dlogits = empty(logits.shape, dtype), empty(logits.shape, dtype)
    kernel(logits, targets, weights, losses, p, dlogits)
    return losses, p, dlogits
