"""What follows a convolution, done while its result is still in the cache, and the way back.

    y = max_pool(relu(z + bias))          each of the three may be missing

The pool is the commonest one, 2x2 pixels, stride 2, nothing padded. Adding the same
bias to four numbers and cutting all at 0 does not change which is the greatest:

    max_pool(relu(z + bias)) = relu(max_pool(z) + bias)

so three quarters of that work is never done. What the way back needs is one byte a
pooled value, its code: the tap 0..3 of the (first) maximum, or SHUT where ReLU let
nothing through.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit, jit_parallel
from tinyconv.backends.numba.convolution.case import SHUT, Epilogue
from tinyconv.backends.numba.rows import as_rows, partial_sums
from tinyconv.backends.numba.workspace import empty

# ---- forward: kernels ----------------------------------------------------------


def finish_loops(z: Array, bias: Array, y: Array, relu: bool) -> None:
    """y[c] = relu(z[c] + bias[c]), one pixel. NaN stays NaN: it is not < 0."""
    zero = z.dtype.type(0)
    if relu:
        for c in range(y.size):
            v = z[c] + bias[c]
            y[c] = zero if v < zero else v
    else:
        for c in range(y.size):
            y[c] = z[c] + bias[c]


def finish_pool_loops(
    z0: Array, z1: Array, z2: Array, z3: Array, bias: Array, y: Array, codes: Array, relu: bool
) -> None:
    """y[c] = relu(max(z0[c] .. z3[c]) + bias[c]) and its code, one pooled pixel.

    A later tap wins if it is greater, or the first NaN; `not v <= best` says both.
    """
    zero, shut = z0.dtype.type(0), np.uint8(SHUT)
    for c in range(y.size):
        best, tap = z0[c], np.uint8(0)
        v = z1[c]
        wins = (best == best) & (not v <= best)
        best, tap = v if wins else best, np.uint8(1) if wins else tap
        v = z2[c]
        wins = (best == best) & (not v <= best)
        best, tap = v if wins else best, np.uint8(2) if wins else tap
        v = z3[c]
        wins = (best == best) & (not v <= best)
        best, tap = v if wins else best, np.uint8(3) if wins else tap
        best += bias[c]
        y[c] = zero if relu & (best < zero) else best
        codes[c] = shut if relu & (not best > zero) else tap


finish_pixel = jit(finish_loops)
finish_pool_pixel = jit(finish_pool_loops)


def finish_band_loops(
    z: Array, bias: Array, y: Array, codes: Array, rows: int, OW: int, first: int,
    h0: int, hs: int, w0: int, ws: int, relu: bool, pool: bool,
) -> None:  # fmt: skip
    """Some rows of one image, some of its filters, from the scratch into the result.

    z (at least rows, at least OW, at least F), y (YH, YW, F); row i of z is row first + i
    of the output, which goes to y[h0 + hs * row], or to row // 2 where it is pooled.
    """
    if pool:
        for i in range(rows // 2):
            h = first // 2 + i
            for j in range(OW // 2):
                z0, z1 = z[2 * i, 2 * j], z[2 * i, 2 * j + 1]
                z2, z3 = z[2 * i + 1, 2 * j], z[2 * i + 1, 2 * j + 1]
                finish_pool_pixel(z0, z1, z2, z3, bias, y[h, j], codes[h, j], relu)
    else:
        for i in range(rows):
            h = h0 + hs * (first + i)
            for j in range(OW):
                finish_pixel(z[i, j], bias, y[h, w0 + ws * j], relu)


finish_band = jit(finish_band_loops)
