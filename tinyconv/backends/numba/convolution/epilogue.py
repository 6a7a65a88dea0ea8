"""What follows a convolution, done while its result is still in the cache, and the way back.

    y = max_pool(relu(z + bias))          each of the three may be missing

The pool is the commonest one, 2x2 pixels, stride 2, nothing padded. What the way back
needs is one byte a pooled value, its code: the tap 0..3 of the (first) maximum, or SHUT
where ReLU let nothing through.

Written out for one pixel in plain loops below; whole vectors of channels go through the
same steps in tile_transforms.py, and the loops do the channels that are left over.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit, jit_parallel
from tinyconv.backends.numba.convolution.case import SHUT, Epilogue
from tinyconv.backends.numba.microkernel import lanes
from tinyconv.backends.numba.rows import partial_sums
from tinyconv.backends.numba.tile_transforms import codes1, finish1, pool1, unpool
from tinyconv.backends.numba.workspace import empty

# ---- one pixel, any number of channels ---------------------------------------------


def finish_loops(z: Array, bias: Array, y: Array, relu: int) -> None:
    """y[c] = relu(z[c] + bias[c]). NaN stays NaN: it is not < 0."""
    zero = z.dtype.type(0)
    for c in range(y.size):
        v = z[c] + bias[c]
        y[c] = zero if relu and v < zero else v


def finish_pool_loops(
    z0: Array, z1: Array, z2: Array, z3: Array, bias: Array, y: Array, codes: Array, relu: int
) -> None:
    """y[c] = relu(max(z0[c] .. z3[c]) + bias[c]) and its code.

    A later tap wins if it is greater, or the first NaN; `not v <= best` says both.
    """
    zero = z0.dtype.type(0)
    for c in range(y.size):
        best, tap = z0[c] + bias[c], 0
        for later, v in enumerate((z1[c] + bias[c], z2[c] + bias[c], z3[c] + bias[c])):
            if best == best and not v <= best:
                best, tap = v, later + 1
        y[c] = zero if relu and best < zero else best
        if codes.size:
            codes[c] = SHUT if relu and not best > zero else tap


def unpool_loops(
    g: Array, codes: Array, dz0: Array, dz1: Array, dz2: Array, dz3: Array, dbias: Array
) -> None:
    """g[c] goes to the tap that its code names, zero to the others; dbias[c] += what arrives.

    Shut is a factor of 0, not a choice: NaN must not vanish.
    """
    zero = g.dtype.type(0)
    for c in range(g.size):
        v = g[c] * zero if codes[c] == SHUT else g[c]
        tap = codes[c] & 3
        dz0[c] = v if tap == 0 else zero
        dz1[c] = v if tap == 1 else zero
        dz2[c] = v if tap == 2 else zero
        dz3[c] = v if tap == 3 else zero
        dbias[c] += v


finish_pixel = jit(finish_loops)
finish_pool_pixel = jit(finish_pool_loops)
unpool_pixel = jit(unpool_loops)


# ---- many pixels --------------------------------------------------------------------


def finish_band_loops(
    z: Array, y: Array, codes: Array, bias: Array, n: int, f: int, used: int, rows: int, OW: int,
    first: int, h0: int, hs: int, w0: int, ws: int, relu: int, pool: int,
) -> None:  # fmt: skip
    """Rows of one image, filters f ... f + used - 1, from the scratch z into the result y.

    z (rows, at least OW, at least used); y, and codes if it is not empty, (N, YH, YW, F).
    Row i of z is row first + i of the output, which goes to y[n, h0 + hs * row], or to
    row // 2 where it is pooled; columns likewise.
    """
    width = lanes(z.dtype)
    whole = used // width * width
    _, YH, YW, F = y.shape
    z_row, z_col = z.shape[1] * z.shape[2], z.shape[2]
    if pool:
        for i in range(rows // 2):
            for j in range(OW // 2):
                h, source = first // 2 + i, 2 * i * z_row + 2 * j * z_col
                target = ((n * YH + h) * YW + j) * F + f
                for c in range(0, whole, width):
                    if codes.size:
                        codes1(
                            z,
                            source + c,
                            z_row,
                            z_col,
                            y,
                            target + c,
                            0,
                            0,
                            bias,
                            f + c,
                            relu,
                            codes,
                        )
                    else:
                        pool1(
                            z,
                            source + c,
                            z_row,
                            z_col,
                            y,
                            target + c,
                            0,
                            0,
                            bias,
                            f + c,
                            relu,
                            codes,
                        )
                if whole < used:
                    z0, z1 = z[2 * i, 2 * j, whole:], z[2 * i, 2 * j + 1, whole:]
                    z2, z3 = z[2 * i + 1, 2 * j, whole:], z[2 * i + 1, 2 * j + 1, whole:]
                    result = y.reshape(-1)[target + whole : target + used]
                    code = codes.reshape(-1)[target + whole : target + used]
                    finish_pool_pixel(z0, z1, z2, z3, bias[f + whole :], result, code, relu)
    else:
        for i in range(rows):
            for j in range(OW):
                h, w = h0 + hs * (first + i), w0 + ws * j
                source, target = i * z_row + j * z_col, ((n * YH + h) * YW + w) * F + f
                for c in range(0, whole, width):
                    finish1(z, source + c, 0, 0, y, target + c, 0, 0, bias, f + c, relu, codes)
                if whole < used:
                    result = y.reshape(-1)[target + whole : target + used]
                    finish_pixel(z[i, j, whole:], bias[f + whole :], result, relu)


finish_band = jit(finish_band_loops)


def finish_all_loops(
    z: Array, y: Array, codes: Array, bias: Array, OH: int, OW: int, relu: int, pool: int
) -> None:
    """z (N, at least OH, at least OW, F), one pair of rows after the other."""
    pairs = (OH + 1) // 2
    for r in prange(z.shape[0] * pairs):
        n, first = r // pairs, r % pairs * 2
        rows = min(2, OH - first)
        finish_band(
            z[n, first : first + rows], y, codes, bias, n, 0, z.shape[3], rows, OW, first,
            0, 1, 0, 1, relu, pool,
        )  # fmt: skip


def unpool_band_loops(
    dy: Array, codes: Array, dz: Array, dbias: Array, n: int, i: int, f: int, used: int,
    d0: int, d_row: int, d_col: int,
) -> None:  # fmt: skip
    """Pooled row i of image n, filters f ... f + used - 1, to two rows of dz from d0 on."""
    width = lanes(dy.dtype)
    whole = used // width * width
    _, PH, PW, F = dy.shape
    for j in range(PW):
        source, target = ((n * PH + i) * PW + j) * F + f, d0 + 2 * j * d_col
        for c in range(0, whole, width):
            unpool(dy, source + c, codes, dz, target + c, d_row, d_col, dbias, f + c)
        if whole < used:
            flat, c = dz.reshape(-1), target + whole
            unpool_pixel(
                dy.reshape(-1)[source + whole : source + used],
                codes.reshape(-1)[source + whole :], flat[c:], flat[c + d_col :],
                flat[c + d_row :], flat[c + d_row + d_col :], dbias[f + whole :],
            )  # fmt: skip


unpool_band = jit(unpool_band_loops)


def unpool_all_loops(dy: Array, codes: Array, dz: Array, partial: Array) -> None:
    """dz (N, OH, OW, F) of dy (N, OH // 2, OW // 2, F); partial[p] is a share's sum for dbias."""
    N, OH, OW, F = dz.shape
    PH, PW, P = dy.shape[1], dy.shape[2], partial.shape[0]
    zero = dz.dtype.type(0)
    for p in prange(P):
        partial[p] = zero
        for r in range(p * N * PH // P, (p + 1) * N * PH // P):
            n, i = r // PH, r % PH
            unpool_band(dy, codes, dz, partial[p], n, i, 0, F, (n * OH + 2 * i) * OW * F, OW * F, F)
            dz[n, 2 * i : 2 * i + 2, 2 * PW :] = zero  # an odd column, which no pool has seen
            if i == PH - 1:
                dz[n, 2 * PH :] = zero


finish_kernel = jit_parallel(finish_all_loops)
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
    """The bias, or zeros."""
    if epilogue.bias is None:
        return np.zeros(filters, dtype)
    return np.ascontiguousarray(epilogue.bias)


def finish(z: Array, epilogue: Epilogue) -> tuple[Array, Array | None]:
    """The epilogue in a pass of its own, for algorithms that do not include it."""
    if epilogue.bias is None and not epilogue.relu and not epilogue.pool:
        return z, None
    y, codes = results(z.shape, epilogue, z.dtype)
    OH, OW = z.shape[1:3]
    if epilogue.pool:
        OH, OW = OH // 2 * 2, OW // 2 * 2
    bias = bias_of(epilogue, z.shape[3], z.dtype)
    finish_kernel(z, y, codes, bias, OH, OW, int(epilogue.relu), int(epilogue.pool))
    return y, codes if epilogue.codes else None


def unpooled(dy: Array, codes: Array, output: tuple[int, int]) -> tuple[Array, Array]:
    """The way back through pool, ReLU and bias: dy -> (dz (N, OH, OW, F), dbias (F,))."""
    dy = np.ascontiguousarray(dy)
    N, _, _, F = dy.shape
    dz = empty((N, *output, F), dy.dtype)
    partial = partial_sums(dy.reshape(-1, F))
    unpool_kernel(dy, codes, dz, partial)
    return dz, partial.sum(axis=0)
