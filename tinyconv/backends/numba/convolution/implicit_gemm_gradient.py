"""The gradient of the kernel as a matrix product whose columns are never written.

    dkernel[(k, l, c), f] = sum over pixels of image[pixel + (k, l), c] * dz[pixel, f]

The sum over the pixels of a band is the micro-kernel's k (along a row) and r (from row
to row). Its tile holds neighbouring numbers of the image's row, that is of one kernel
row (l, c), times a panel of filters:

    i -> (l, c)      A[pixel, i] = image[pixel + k*row + i]      one number apart
    v -> f           B[pixel, v] = dz[pixel, f]                  packed in panels

Each thread adds up its own bands, always in the same order, and at the end the sums of
the threads are added in their order: the result does not depend on who was faster.
"""

from __future__ import annotations

from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit, jit_parallel
from tinyconv.backends.numba.convolution.implicit_gemm import (
    Steps,
    add_full_tile,
    add_half_tile,
    band,
    padded,
)
from tinyconv.backends.numba.convolution.packing import bordered, pack_pixels, panel_width, tiled
from tinyconv.backends.numba.microkernel import HALF_ROWS, ROWS
from tinyconv.backends.numba.threads import thread_count
from tinyconv.backends.numba.workspace import empty
from tinyconv.geometry import Window


def add_products_loops(
    image: Array, a0: int, length: int, a_col: int, a_outer: int, pixels: Array, sums: Array,
    OW: int, rows: int,
) -> None:  # fmt: skip
    """sums[i, v] += sum over the band's pixels of image[pixel + i] * dz[pixel, v], i < length."""
    width = sums.shape[1]
    i = 0
    while i < length:
        if length - i > HALF_ROWS:
            add_full_tile(
                image, a0 + i, 1, a_col, a_outer, pixels, 0, width, OW * width,
                sums, i * width, width, OW, rows,
            )  # fmt: skip
            i += ROWS
        else:
            add_half_tile(
                image, a0 + i, 1, a_col, a_outer, pixels, 0, width, OW * width,
                sums, i * width, width, OW, rows,
            )  # fmt: skip
            i += HALF_ROWS


add_products = jit(add_products_loops)


def gradient_loops(
    x: Array, dz: Array, partial: Array, images: Array, pixels: Array, SH: int, SW: int, DH: int,
    DW: int, top: int, left: int, OH: int, OW: int, height: int, width: int, KH: int, length: int,
) -> None:  # fmt: skip
    """partial[t, g, p, q] += the products of thread t's bands.

    Piece q of a window: `length` contiguous numbers, a kernel row or one tap of it.
    """
    N, C = x.shape[0], x.shape[3]
    T, G, P, Q, _, _ = partial.shape
    Cg, Fg = C // G, dz.shape[3] // G
    in_row, row = Q // KH, width * C
    bands = -(-OH // height)
    zero = x.dtype.type(0)
    for t in prange(T):
        image, own = images[t], partial[t]
        own[...] = zero
        for index in range(t * N * bands // T, (t + 1) * N * bands // T):
            n, first = index // bands, index % bands * height
            rows = min(height, OH - first)
            bordered(
                x[n], image, first * SH - top, left, (rows - 1) * SH + (KH - 1) * DH + 1, width
            )
            for g in range(G):
                pack_pixels(dz[n], pixels[t], first, rows, g * Fg, Fg)
                for p in range(P):
                    for q in range(Q):
                        a0 = g * Cg + q // in_row * DH * row + q % in_row * DW * C
                        add_products(
                            image, a0, length, SW * C, SH * row, pixels[t, p], own[g, p, q],
                            OW, rows,
                        )  # fmt: skip


def total_loops(partial: Array, dkernel: Array) -> None:
    """dkernel (Q, length, F) = the sum over the threads, out of the panels."""
    T, G, P, Q, _, width = partial.shape
    length, Fg = dkernel.shape[1], dkernel.shape[2] // G
    for q in prange(Q):
        for g in range(G):
            for p in range(P):
                f, used = g * Fg + p * width, min(width, Fg - p * width)
                for i in range(length):
                    total = dkernel[q, i, f : f + used]
                    total[:] = partial[0, g, p, q, i, :used]
                    for t in range(1, T):
                        own = partial[t, g, p, q, i]
                        for v in range(used):
                            total[v] += own[v]


gradient_kernel = jit_parallel(gradient_loops)
total_kernel = jit_parallel(total_loops)


def kernel_gradient(x: Array, dz: Array, window: Window, groups: int) -> Array:
    """dkernel[k,l,c,f] = sum over n,i,j of xp[n, i*SH+k*DH, j*SW+l*DW, c] * dz[n,i,j,f]."""
    (KH, KW), (SH, SW), (DH, DW) = window.size, window.strides, window.dilation
    (OH, OW), ((top, _), (left, _)) = window.output, window.padding
    C, F = x.shape[3], dz.shape[3]
    whole_rows = groups == 1 and DW == 1  # the taps of a kernel row are contiguous
    pieces, length = (KH, KW * C) if whole_rows else (KH * KW, C // groups)
    width = (OW - 1) * SW + (KW - 1) * DW + 1
    steps = Steps(SH, SW, DH, DW, top, left, OH, OW)
    panel = panel_width(x.dtype)
    panels = -(-(F // groups) // panel)
    row_bytes = (width * C * SH + OW * panels * panel) * x.itemsize
    height, seen = band(x.shape[0], steps, KH, row_bytes, False)
    threads = thread_count()
    images = empty((threads, padded(seen * width * C)), x.dtype)
    pixels = empty((threads, panels, height * OW, panel), x.dtype)
    partial = empty((threads, groups, panels, pieces, tiled(length), panel), x.dtype)
    gradient_kernel(x, dz, partial, images, pixels, *steps, height, width, KH, length)
    dkernel = empty((KH, KW, C // groups, F), x.dtype)
    total_kernel(partial, dkernel.reshape(pieces, length, F))
    return dkernel
