"""Zeros around images, a row of the result at a time."""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.gemm import KINDS
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import Pair


def zero_pad_loops(x: Array, y: Array, top: int, left: int) -> None:
    """y[n, h, w, c] = x[n, h - top, w - left, c], zero outside of the image."""
    N, H, W, C = x.shape
    rows, size = y.shape[1], W * C
    zero = x.dtype.type(0)
    for r in prange(N * rows):
        n, h = r // rows, r % rows - top
        target = y[n, r % rows].reshape(-1)
        if h < 0 or h >= H:
            for i in range(target.size):
                target[i] = zero
        else:
            source, first = x[n, h].reshape(-1), left * C
            for i in range(first):
                target[i] = zero
            for i in range(size):
                target[first + i] = source[i]
            for i in range(first + size, target.size):
                target[i] = zero


zero_pad_kernel = jit_parallel(zero_pad_loops)


class Padding(NumpyBackend):
    def zero_pad(self, x: Array, padding: tuple[Pair, Pair]) -> Array:
        """In one pass, into memory that is used again."""
        if x.dtype not in KINDS:
            return super().zero_pad(x, padding)
        (N, H, W, C), (rows, cols) = x.shape, padding
        y = empty((N, H + sum(rows), W + sum(cols), C), x.dtype)
        zero_pad_kernel(np.ascontiguousarray(x), y, rows[0], cols[0])
        return y
