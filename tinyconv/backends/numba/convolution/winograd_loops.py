"""The loops of Winograd's convolution: from the image to tiles, products, and back.

A thread does a block of tiles at a time, so that what it writes is still in its cache
when it reads it:

    for each block of tiles:
        V[tap, tile, c]  <- B^T d B                  tile row by tile row, from a strip
        for each few panels of filters:
            M[tap, tile, f]  <- V[tap] @ U[tap]      micro-kernel
            y  <- relu(A^T M A + bias), pooled       tile by tile

winograd_tiles.py does the first and the last of the three.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba import microkernel
from tinyconv.backends.numba._jit import jit_inner, jit_parallel
from tinyconv.backends.numba.convolution.winograd_tiles import (
    input_tiles,
    output_tiles,
    spread_tiles,
)
from tinyconv.backends.numba.microkernel import HALF_ROWS, ROWS, VECTORS, lanes

PANELS = max(1, 4 // VECTORS)  # panels of filters whose products M are held at once

_product = microkernel.make(ROWS, VECTORS, False)
_half_product = microkernel.make(HALF_ROWS, VECTORS, False)
_sum = microkernel.make(ROWS, VECTORS, True)
_half_sum = microkernel.make(HALF_ROWS, VECTORS, True)


# ---- products ------------------------------------------------------------------


def product_loops(
    V: Array, v_row: int, U: Array, M: Array, m_row: int, C: int, count: int, panel: int,
    last_panel: int,
) -> None:  # fmt: skip
    """M[tap] = V[tap] @ U[tap], filters of panel to last_panel - 1.

    V (taps, tiles * v_row), U (taps, P * C * width), M (taps, tiles * m_row).
    """
    width = VECTORS * lanes(U.dtype)
    for tap in range(U.shape[0]):
        v_tap, u_tap, m_tap = tap * V.shape[1], tap * U.shape[1], tap * M.shape[1]
        for p in range(panel, last_panel):
            u, column = u_tap + p * C * width, m_tap + (p - panel) * width
            i = 0
            while count - i > HALF_ROWS:
                _product(
                    V, v_tap + i * v_row, v_row, 1, 0, U, u, width, 0,
                    M, column + i * m_row, m_row, C, 1,
                )  # fmt: skip
                i += ROWS
            if i < count:
                _half_product(
                    V, v_tap + i * v_row, v_row, 1, 0, U, u, width, 0,
                    M, column + i * m_row, m_row, C, 1,
                )  # fmt: skip


def sum_loops(
    V: Array, v_row: int, Z: Array, dU: Array, height: int, C: int, count: int, block: int,
    panel: int, last_panel: int,
) -> None:  # fmt: skip
    """dU[tap] += V[tap]^T @ Z[tap]: the sum over `count` tiles, filters as above.

    V (taps, tiles * v_row), Z (taps, panels * block * width), dU (taps, P * height * width).
    """
    width = VECTORS * lanes(dU.dtype)
    for tap in range(dU.shape[0]):
        v_tap, z_tap, u_tap = tap * V.shape[1], tap * Z.shape[1], tap * dU.shape[1]
        for p in range(panel, last_panel):
            z, u = z_tap + (p - panel) * block * width, u_tap + p * height * width
            c = 0
            while C - c > HALF_ROWS:
                _sum(V, v_tap + c, 1, v_row, 0, Z, z, width, 0, dU, u + c * width, width, count, 1)
                c += ROWS
            if c < C:
                _half_sum(
                    V, v_tap + c, 1, v_row, 0, Z, z, width, 0, dU, u + c * width, width, count, 1
                )


multiply_tiles = jit_inner(product_loops)
sum_tiles = jit_inner(sum_loops)


# ---- all of it -------------------------------------------------------------------
#
# The loops over threads do nothing but call what one thread does: Numba takes long to
# compile a parallel loop, and the longer the more there is in it.


def forward_share_loops(
    x: Array, U: Array, bias: Array, y: Array, codes: Array, V: Array, v_row: int, M: Array,
    m_row: int, strip: Array, m: int, top: int, left: int, rows: int, cols: int, first: int,
    last: int, first_panel: int, last_panel: int, block: int, relu: int, pool: int,
) -> None:  # fmt: skip
    """y = pool(relu(conv(x) + bias)) for the tiles first, ..., last - 1 and some panels of filters.

    U (taps, P * C * width): the transformed kernel; rows x cols tiles an image; scratch: the rest.
    """
    width = VECTORS * lanes(U.dtype)
    C, flat_y, flat_codes = x.shape[3], y.reshape(-1), codes.reshape(-1)
    beside = np.empty(m * m * lanes(y.dtype), y.dtype)
    codes_beside = np.empty(beside.size, np.uint8)
    for start in range(first, last, block):
        count = min(block, last - start)
        input_tiles(x, V, v_row, strip, m, top, left, rows, cols, start, count)
        for panel in range(first_panel, last_panel, PANELS):
            end = min(panel + PANELS, last_panel)
            multiply_tiles(V, v_row, U, M, m_row, C, count, panel, end)
            output_tiles(
                M, m_row, y, flat_y, flat_codes, beside, codes_beside, bias, m, rows, cols, start,
                count, panel * width, min(end * width, y.shape[3]), relu, pool,
            )  # fmt: skip


def gradient_share_loops(
    x: Array, dz: Array, dU: Array, height: int, V: Array, v_row: int, Z: Array, strip: Array,
    m: int, top: int, left: int, rows: int, cols: int, first: int, last: int, first_panel: int,
    last_panel: int, block: int,
) -> None:  # fmt: skip
    """dU[tap] = V[tap]^T @ Z[tap], the same tiles and panels; dU (taps, P * height * width)."""
    C, width = x.shape[3], VECTORS * lanes(dU.dtype)
    for tap in range(dU.shape[0]):
        own = dU[tap, first_panel * height * width : last_panel * height * width]
        for i in range(own.size):
            own[i] = 0
    for start in range(first, last, block):
        count = min(block, last - start)
        input_tiles(x, V, v_row, strip, m, top, left, rows, cols, start, count)
        spread_tiles(dz, Z, strip, m, rows, cols, start, count, block, first_panel, last_panel)
        sum_tiles(V, v_row, Z, dU, height, C, count, block, first_panel, last_panel)


forward_share = jit_inner(forward_share_loops)
gradient_share = jit_inner(gradient_share_loops)


def forward_loops(
    x: Array, U: Array, P: int, bias: Array, y: Array, codes: Array, V: Array, v_row: int,
    M: Array, m_row: int, strips: Array, m: int, top: int, left: int, rows: int, cols: int,
    shares: int, slices: int, block: int, relu: int, pool: int,
) -> None:  # fmt: skip
    """Thread t does share t // slices of the tiles, slice t % slices of the P panels of filters."""
    tiles = x.shape[0] * rows * cols
    for t in prange(shares * slices):
        share, part = t // slices, t % slices
        forward_share(
            x, U, bias, y, codes, V[t], v_row, M[t], m_row, strips[t], m, top, left, rows, cols,
            tiles * share // shares, tiles * (share + 1) // shares,
            part * P // slices, (part + 1) * P // slices, block, relu, pool,
        )  # fmt: skip


def kernel_gradient_loops(
    x: Array, dz: Array, sums: Array, P: int, height: int, V: Array, v_row: int, Z: Array,
    strips: Array, m: int, top: int, left: int, rows: int, cols: int, shares: int, slices: int,
    block: int,
) -> None:  # fmt: skip
    """The same; sums[share] = dU over the tiles of that share."""
    tiles = x.shape[0] * rows * cols
    for t in prange(shares * slices):
        share, part = t // slices, t % slices
        gradient_share(
            x, dz, sums[share], height, V[t], v_row, Z[t], strips[t], m, top, left, rows, cols,
            tiles * share // shares, tiles * (share + 1) // shares,
            part * P // slices, (part + 1) * P // slices, block,
        )  # fmt: skip


forward_kernel = jit_parallel(forward_loops)
kernel_gradient_kernel = jit_parallel(kernel_gradient_loops)
