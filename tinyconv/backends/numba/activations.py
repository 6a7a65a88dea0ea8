"""Activations fused with the bias: one pass over the memory instead of three.

z arrives fresh from the convolution. The textbook adds the bias, compares and
selects, each reading and writing the whole array; here a number is touched once.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from tinyconv.backends.base import Activation, Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.rows import as_rows, partial_sums
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy import NumpyBackend

# ---- kernels; all see arrays as (rows, C) ------------------------------------


def bias_loops(y: Array, bias: Array) -> None:
    """y[r,c] += bias[c]."""
    R, C = y.shape
    for r in prange(R):
        for c in range(C):
            y[r, c] += bias[c]


def bias_relu_loops(y: Array, bias: Array) -> None:
    """y[r,c] = max(y[r,c] + bias[c], 0).

    In place only: were there an input z that may be the same memory as y, the
    compiler could not load several numbers before it stores one.
    """
    R, C = y.shape
    zero = y.dtype.type(0)
    for r in prange(R):
        for c in range(C):
            z = y[r, c] + bias[c]
            y[r, c] = zero if z < zero else z  # so written, NaN stays NaN


def bias_gradient_loops(dz: Array, partial: Array) -> None:
    """partial[p,c] = sum of dz[r,c] over the rows r of share p."""
    (R, C), P = dz.shape, partial.shape[0]
    zero = dz.dtype.type(0)
    for p in prange(P):
        for c in range(C):
            partial[p, c] = zero
        for r in range(p * R // P, (p + 1) * R // P):
            for c in range(C):
                partial[p, c] += dz[r, c]


def relu_backward_loops(dy: Array, y: Array, dz: Array, partial: Array) -> None:
    """dz[r,c] = dy[r,c] * (y[r,c] > 0), partial[p,c] its sum over the rows r of share p.

    A product, not a choice: NaN in dy must not vanish where y is 0.
    """
    (R, C), P = dy.shape, partial.shape[0]
    zero, one = dy.dtype.type(0), dy.dtype.type(1)
    for p in prange(P):
        for c in range(C):
            partial[p, c] = zero
        for r in range(p * R // P, (p + 1) * R // P):
            for c in range(C):
                g = dy[r, c] * (one if y[r, c] > zero else zero)
                dz[r, c] = g
                partial[p, c] += g


def gelu_loops(z: Array, y: Array) -> None:
    """y = z Phi(z), Phi(z) = (1 + erf(z / sqrt 2)) / 2; over flat arrays."""
    half, one, scale = z.dtype.type(0.5), z.dtype.type(1), z.dtype.type(math.sqrt(0.5))
    for i in prange(z.size):
        y[i] = half * z[i] * (one + math.erf(z[i] * scale))


def gelu_backward_loops(dy: Array, z: Array, dz: Array) -> None:
    """dz = dy (Phi(z) + z phi(z)), phi(z) = exp(-z^2 / 2) / sqrt(2 pi); over flat arrays."""
    half, one, scale = z.dtype.type(0.5), z.dtype.type(1), z.dtype.type(math.sqrt(0.5))
    peak = z.dtype.type(1 / math.sqrt(2 * math.pi))
    for i in prange(z.size):
        cdf = half * (one + math.erf(z[i] * scale))
        dz[i] = dy[i] * (cdf + z[i] * peak * math.exp(-half * z[i] * z[i]))


bias_kernel = jit_parallel(bias_loops)
bias_relu_kernel = jit_parallel(bias_relu_loops)
bias_gradient_kernel = jit_parallel(bias_gradient_loops)
relu_backward_kernel = jit_parallel(relu_backward_loops)
gelu_kernel = jit_parallel(gelu_loops)
gelu_backward_kernel = jit_parallel(gelu_backward_loops)


# ---- operations -------------------------------------------------------------


class Activations(NumpyBackend):
    def activate(
        self, z: Array, bias: Array | None, activation: Activation, overwrite: bool = False
    ) -> tuple[Array, Array]:
        """y = f(z + bias), in the memory of z where that is allowed."""
        relu = activation.name == "relu"
        if bias is not None or relu:
            y = z if overwrite and _writable(z) else _copy(z)
            rows = as_rows(y)
            if bias is None:
                bias = np.zeros(rows.shape[1], y.dtype)
            (bias_relu_kernel if relu else bias_kernel)(rows, np.ascontiguousarray(bias))
            z = y
        if relu:
            return z, z
        if activation.name == "gelu":
            z = np.ascontiguousarray(z)
            y = empty(z.shape, z.dtype)
            gelu_kernel(z.reshape(-1), y.reshape(-1))
            return y, z
        return super().activate(z, None, activation)

    def activate_backward(
        self, dy: Array, saved: Array, activation: Activation, with_bias: bool
    ) -> tuple[Array, Array | None]:
        """dz = dy * f'(z) and dbias = sum of dz, for relu in one pass."""
        dy, saved = np.ascontiguousarray(dy), np.ascontiguousarray(saved)
        rows = as_rows(dy)
        partial = partial_sums(rows)
        if activation.name == "relu":
            dz = empty(dy.shape, dy.dtype)
            relu_backward_kernel(rows, as_rows(saved), as_rows(dz), partial)
            return dz, partial.sum(axis=0) if with_bias else None
        if activation.name == "linear":
            dz = _copy(dy)
        elif activation.name == "gelu":
            dz = empty(dy.shape, dy.dtype)
            gelu_backward_kernel(dy.reshape(-1), saved.reshape(-1), dz.reshape(-1))
        else:
            dz, _ = super().activate_backward(dy, saved, activation, False)
        if not with_bias:
            return dz, None
        bias_gradient_kernel(as_rows(np.ascontiguousarray(dz)), partial)
        return dz, partial.sum(axis=0)


def _writable(x: Array) -> bool:
    return x.flags.c_contiguous and x.flags.writeable


def _copy(x: Array) -> Array:
    y = empty(x.shape, x.dtype)
    np.copyto(y, x)
    return y
