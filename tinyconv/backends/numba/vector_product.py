"""The product of a vector and a matrix: each number of the matrix is read once, and that is all.

Nothing is used twice, so there is nothing to keep in registers or caches, and copying would
double the work. What counts is that memory is read in the order in which it lies.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.threads import thread_count
from tinyconv.backends.numba.workspace import empty

LINE = 16  # results of a thread are whole cache lines


def sum_of_rows_loops(x: Array, B: Array, y: Array, bias: Array, relu: bool, shares: int) -> None:
    """y[j] = relu(sum of x[k] B[k, j] + bias[j]), four rows of B at a time."""
    (K, N), zero = B.shape, y.dtype.type(0)
    for share in prange(shares):
        first = share * N // shares // LINE * LINE
        last = N if share == shares - 1 else (share + 1) * N // shares // LINE * LINE
        own = y[first:last]
        for j in range(own.size):
            own[j] = bias[first + j] if bias.size > 0 else zero
        for k in range(0, K - K % 4, 4):
            x0, x1, x2, x3 = x[k], x[k + 1], x[k + 2], x[k + 3]
            row0, row1 = B[k, first:last], B[k + 1, first:last]
            row2, row3 = B[k + 2, first:last], B[k + 3, first:last]
            for j in range(own.size):
                own[j] += x0 * row0[j] + x1 * row1[j] + x2 * row2[j] + x3 * row3[j]
        for k in range(K - K % 4, K):
            row0 = B[k, first:last]
            for j in range(own.size):
                own[j] += x[k] * row0[j]
        if relu:
            for j in range(own.size):
                own[j] = zero if own[j] < zero else own[j]  # NaN stays NaN


def dots_loops(x: Array, columns: Array, y: Array, bias: Array, relu: bool, shares: int) -> None:
    """The same where the columns of B lie together: y[j] = relu(x . columns[j] + bias[j])."""
    (N, K), zero = columns.shape, y.dtype.type(0)
    for share in prange(shares):
        for j in range(share * N // shares, (share + 1) * N // shares):
            column, total = columns[j], zero
            for k in range(K):
                total += x[k] * column[k]
            if bias.size > 0:
                total += bias[j]
            y[j] = zero if relu and total < zero else total


sum_of_rows_kernel = jit_parallel(sum_of_rows_loops)
dots_kernel = jit_parallel(dots_loops)


def vector_matmul(x: Array, B: Array, bias: Array, relu: bool) -> Array:
    """relu(x @ B + bias): x (K,), B (K, N), bias (N,) or empty -> (N,)."""
    y = empty((B.shape[1],), B.dtype)
    x, bias = np.ascontiguousarray(x), np.ascontiguousarray(bias)
    if B.flags.f_contiguous and not B.flags.c_contiguous:
        dots_kernel(x, B.T, y, bias, relu, thread_count())
    else:
        sum_of_rows_kernel(x, np.ascontiguousarray(B), y, bias, relu, thread_count())
    return y
