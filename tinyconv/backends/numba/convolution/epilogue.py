"""What follows a convolution, done while its result is still in the cache, and the way back.

    y = max_pool(relu(z + bias))          each of the three may be missing

The pool is the commonest one, 2x2 pixels, stride 2, nothing padded. What the way back
needs is one byte a pooled value, its code: the tap 0..3 of the (first) maximum, or SHUT
where ReLU let nothing through.

Vectors of channels go through these steps in tile_transforms.py; here are the loops over
pixels, with buffers for the channels that do not fill a vector. `finish` is the same
slowly, in passes over the whole array.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit, jit_inner, jit_parallel
from tinyconv.backends.numba.activations import bias_kernel, bias_relu_kernel
from tinyconv.backends.numba.convolution.case import SHUT, Epilogue
from tinyconv.backends.numba.microkernel import lanes
from tinyconv.backends.numba.pooling import max_pool_2x2_kernel
from tinyconv.backends.numba.rows import as_rows, partial_sums
from tinyconv.backends.numba.tile_transforms import codes1, finish1, pool1, unpool
from tinyconv.backends.numba.workspace import empty

# ---- forward -------------------------------------------------------------------------


def put_loops(source: Array, target: Array, first: int, count: int) -> None:
    """target[first + v] = source[v], v < count."""
    for v in range(count):
        target[first + v] = source[v]


put = jit(put_loops)


def finish_band_loops(
    z: Array, y: Array, codes: Array, bias: Array, n: int, f: int, used: int, rows: int, OW: int,
    first: int, h0: int, hs: int, w0: int, ws: int, relu: int, pool: int,
) -> None:  # fmt: skip
    """Rows of one image, filters f ... f + used - 1, from the scratch z into the result y.

    z (at least rows, at least OW, whole vectors); y, and codes if it is not empty,
    (N, YH, YW, F); bias with zeros after its end. Row i of z is row first + i of the output,
    which goes to y[n, h0 + hs * row], or to row // 2 where it is pooled; columns likewise.
    """
    width = lanes(z.dtype)
    whole = used // width * width
    _, YH, YW, F = y.shape
    z_row, z_col = z.shape[1] * z.shape[2], z.shape[2]
    rest, rest_codes = np.empty(width, z.dtype), np.empty(width, codes.dtype)
    if pool:
        for i in range(rows // 2):
            for j in range(OW // 2):
                h, source = first // 2 + i, 2 * i * z_row + 2 * j * z_col
                target = ((n * YH + h) * YW + j) * F + f
                for c in range(0, whole, width):
                    at, to = source + c, target + c
                    if codes.size:
                        codes1(z, at, z_row, z_col, y, to, 0, 0, bias, f + c, relu, codes)
                    else:
                        pool1(z, at, z_row, z_col, y, to, 0, 0, bias, f + c, relu, codes)
                if whole < used:
                    at = source + whole
                    codes1(z, at, z_row, z_col, rest, 0, 0, 0, bias, f + whole, relu, rest_codes)
                    put(rest, y.reshape(-1), target + whole, used - whole)
                    if codes.size:
                        put(rest_codes, codes.reshape(-1), target + whole, used - whole)
    else:
        for i in range(rows):
            for j in range(OW):
                h, w = h0 + hs * (first + i), w0 + ws * j
                source, target = i * z_row + j * z_col, ((n * YH + h) * YW + w) * F + f
                for c in range(0, whole, width):
                    finish1(z, source + c, 0, 0, y, target + c, 0, 0, bias, f + c, relu, codes)
                if whole < used:
                    at = source + whole
                    finish1(z, at, 0, 0, rest, 0, 0, 0, bias, f + whole, relu, codes)
                    put(rest, y.reshape(-1), target + whole, used - whole)


finish_band = jit_inner(finish_band_loops)


# ---- backward ------------------------------------------------------------------------


def unpool_band_loops(
    dy: Array, codes: Array, dz: Array, dbias: Array, n: int, i: int, f: int, used: int,
    d0: int, d_row: int, d_col: int,
) -> None:  # fmt: skip
    """Pooled row i of image n, filters f ... f + used - 1, to two rows of dz (flat) from d0 on.

    What is left over beside whole vectors goes through buffers of one vector.
    """
    width = lanes(dy.dtype)
    whole = used // width * width
    rest = used - whole
    _, PH, PW, F = dy.shape
    g, g_codes = np.zeros(width, dy.dtype), np.zeros(width, codes.dtype)
    window, sums = np.empty(4 * width, dy.dtype), np.zeros(width, dy.dtype)
    for j in range(PW):
        source, target = ((n * PH + i) * PW + j) * F + f, d0 + 2 * j * d_col
        for c in range(0, whole, width):
            unpool(dy, source + c, codes, dz, target + c, d_row, d_col, dbias, f + c)
        if rest:
            put(dy.reshape(-1)[source + whole :], g, 0, rest)
            put(codes.reshape(-1)[source + whole :], g_codes, 0, rest)
            unpool(g, 0, g_codes, window, 0, 2 * width, width, sums, 0)
            for tap in range(4):
                to = target + whole + tap // 2 * d_row + tap % 2 * d_col
                put(window[tap * width :], dz, to, rest)
    for v in range(rest):
        dbias[f + whole + v] += sums[v]


unpool_band = jit_inner(unpool_band_loops)


def unpool_share_loops(
    dy: Array, codes: Array, dz: Array, dbias: Array, first: int, last: int
) -> None:
    """The pooled rows first ... last - 1, counted over the batch, and their sum for dbias."""
    _, OH, OW, F = dz.shape
    PH, PW = dy.shape[1], dy.shape[2]
    zero, flat = dz.dtype.type(0), dz.reshape(-1)
    for f in range(F):
        dbias[f] = zero
    for r in range(first, last):
        n, i = r // PH, r % PH
        d0 = (n * OH + 2 * i) * OW * F
        unpool_band(dy, codes, flat, dbias, n, i, 0, F, d0, OW * F, F)
        for row in range(2):  # an odd column, which no pool has seen
            for c in range((row * OW + 2 * PW) * F, (row + 1) * OW * F):
                flat[d0 + c] = zero
        if i == PH - 1:
            for c in range(2 * OW * F, (OH - 2 * i) * OW * F):
                flat[d0 + c] = zero


unpool_share = jit_inner(unpool_share_loops)


def unpool_all_loops(dy: Array, codes: Array, dz: Array, partial: Array) -> None:
    """dz (N, OH, OW, F) of dy (N, OH // 2, OW // 2, F); partial[p] is a share's sum for dbias."""
    rows, P = dy.shape[0] * dy.shape[1], partial.shape[0]
    for p in prange(P):
        unpool_share(dy, codes, dz, partial[p], p * rows // P, (p + 1) * rows // P)


unpool_kernel = jit_parallel(unpool_all_loops)


# ---- whole arrays -------------------------------------------------------------------

NO_CODES = np.empty((0, 0, 0, 0), np.uint8)


def results(shape: tuple[int, ...], epilogue: Epilogue, dtype: np.dtype) -> tuple[Array, Array]:
    """Memory for y, where z would have that shape, and for codes (empty if none are wanted)."""
    if epilogue.pool:
        shape = (shape[0], shape[1] // 2, shape[2] // 2, shape[3])
    codes = empty(shape, np.uint8) if epilogue.codes else NO_CODES
    return empty(shape, dtype), codes


def bias_of(epilogue: Epilogue, filters: int, dtype: np.dtype) -> Array:
    """The bias, or zeros, and zeros after it for the last vector."""
    bias = np.zeros(filters + lanes(dtype), dtype)
    if epilogue.bias is not None:
        bias[:filters] = epilogue.bias
    return bias


def finish(z: Array, epilogue: Epilogue) -> tuple[Array, Array | None]:
    """The epilogue in passes of its own, for algorithms that do not include it.

    z is contiguous, and may be overwritten.
    """
    if epilogue.bias is not None or epilogue.relu:
        bias = np.zeros(z.shape[3], z.dtype)
        bias[:] = 0 if epilogue.bias is None else epilogue.bias
        (bias_relu_kernel if epilogue.relu else bias_kernel)(as_rows(z), bias)
    if not epilogue.pool:
        return z, None
    y, _ = results(z.shape, epilogue, z.dtype)
    codes = empty(y.shape, np.uint8)
    max_pool_2x2_kernel(z, y, codes, 2, 2)
    if epilogue.relu and epilogue.codes:
        np.copyto(codes, np.uint8(SHUT), where=~(y > 0))
    return y, codes if epilogue.codes else None


def unpooled(dy: Array, codes: Array, output: tuple[int, int]) -> tuple[Array, Array]:
    """The way back through pool, ReLU and bias: dy -> (dz (N, OH, OW, F), dbias (F,))."""
    dy = np.ascontiguousarray(dy)
    N, _, _, F = dy.shape
    dz = empty((N, *output, F), dy.dtype)
    partial = partial_sums(dy.reshape(-1, F))
    unpool_kernel(dy, codes, dz, partial)
    return dz, partial.sum(axis=0)
