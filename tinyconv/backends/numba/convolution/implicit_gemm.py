"""Convolution as a matrix product whose columns are never written.

A row of im2col's columns is a window of the image, and a window is KH pieces of the
image with KW * C contiguous numbers each. The micro-kernel walks over them where they
are: k along a piece, r from piece to piece, i from one output pixel to the next.

           SW*C
          |--->|             K = KW*C numbers along k
    r=0   [ i=0:  . . . . ][ . .        a row of the image, border included
             [ i=1:  . . . . ]
    r=1   [ . . . . ]                   DH rows further down
    r=2   [ . . . . ]

    z[i, f] = sum over r, k of image[i*SW*C + r*row + k] * kernel[(r, k), f]

The image is copied, a band of rows at a time, into the zero border (KH*KW times less
to write than columns). With dilation or groups the pieces are C // groups numbers of
one pixel, so r runs along the KW taps of one kernel row, and the rows are added up.

The gradients are products of the same kind:

    dkernel[(r, k), f] = sum over pixels of image[pixel + (r, k)] * dz[pixel, f]
    dx = convolution of dz with the flipped, transposed kernel

With strides, dx falls apart into SH * SW phases. Row h of dx is seen by the taps k with
(h + top - k*DH) % SH == 0 only, and these are the same for every SH-th row: for those
rows it is a convolution with stride 1 and fewer taps (Dumoulin & Visin 2016, chapter 4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit, jit_parallel
from tinyconv.backends.numba.convolution.case import PLAIN, ConvCase, Epilogue
from tinyconv.backends.numba.convolution.epilogue import bias_of, finish_band, results
from tinyconv.backends.numba.convolution.packing import bordered, panels_of, tiled
from tinyconv.backends.numba.microkernel import HALF_ROWS, ROWS, VECTORS, make
from tinyconv.backends.numba.threads import thread_count
from tinyconv.backends.numba.workspace import empty
from tinyconv.geometry import Window

full_tile, half_tile = make(ROWS, VECTORS, False), make(HALF_ROWS, VECTORS, False)
add_full_tile, add_half_tile = make(ROWS, VECTORS, True), make(HALF_ROWS, VECTORS, True)

BAND_BYTES = 1 << 18  # image rows and results of one band: a quarter of a second-level cache


def reason_against(case: ConvCase) -> str | None:
    """None: any stride, padding, dilation and groups."""
    return None


# ---- forward ------------------------------------------------------------------------


def multiply_band_loops(
    image: Array, a0: int, a_row: int, row: int, tap: int, panel: Array, z: Array, rows: int,
    SH: int, DH: int, OW: int, pieces: bool,
) -> None:  # fmt: skip
    """z[i, j] = the window of output pixel j in row i, times one panel of the kernel.

    panel (KH, KW, C, width); `pieces`: the taps of a kernel row are not contiguous in the
    image but `tap` numbers apart.
    """
    KH, KW, C, width = panel.shape
    calls, R, K, outer = (KH, KW, C, tap) if pieces else (1, KH, KW * C, DH * row)
    for i in range(rows):
        for call in range(calls):
            a, b = a0 + i * SH * row + call * DH * row, call * KW * C * width
            j = 0
            while j < OW:
                c = (i * z.shape[1] + j) * width
                at = a + j * a_row
                if OW - j > HALF_ROWS:
                    if call == 0:
                        full_tile(
                            image,
                            at,
                            a_row,
                            1,
                            outer,
                            panel,
                            b,
                            width,
                            K * width,
                            z,
                            c,
                            width,
                            K,
                            R,
                        )
                    else:
                        add_full_tile(
                            image,
                            at,
                            a_row,
                            1,
                            outer,
                            panel,
                            b,
                            width,
                            K * width,
                            z,
                            c,
                            width,
                            K,
                            R,
                        )
                    j += ROWS
                else:
                    if call == 0:
                        half_tile(
                            image,
                            at,
                            a_row,
                            1,
                            outer,
                            panel,
                            b,
                            width,
                            K * width,
                            z,
                            c,
                            width,
                            K,
                            R,
                        )
                    else:
                        add_half_tile(
                            image,
                            at,
                            a_row,
                            1,
                            outer,
                            panel,
                            b,
                            width,
                            K * width,
                            z,
                            c,
                            width,
                            K,
                            R,
                        )
                    j += HALF_ROWS


multiply_band = jit(multiply_band_loops)


def forward_loops(
    x: Array, panels: Array, bias: Array, y: Array, codes: Array, images: Array, sums: Array,
    SH: int, SW: int, DH: int, DW: int, top: int, left: int, OH: int, OW: int, height: int,
    width: int, h0: int, hs: int, w0: int, ws: int, relu: int, pool: int,
) -> None:  # fmt: skip
    """Every thread takes its share of all bands: copy, multiply, finish."""
    N, C, T = x.shape[0], x.shape[3], images.shape[0]
    G, P, KH, _, Cg, panel = panels.shape
    Fg = y.shape[3] // G
    bands = -(-OH // height)
    for t in prange(T):
        image, z = images[t], sums[t]
        for index in range(t * N * bands // T, (t + 1) * N * bands // T):
            n, first = index // bands, index % bands * height
            rows = min(height, OH - first)
            seen = (rows - 1) * SH + (KH - 1) * DH + 1
            bordered(x[n], image, first * SH - top, left, seen, width)
            for g in range(G):
                for p in range(P):
                    multiply_band(
                        image, g * Cg, SW * C, width * C, DW * C, panels[g, p], z, rows,
                        SH, DH, OW, G > 1 or DW > 1,
                    )  # fmt: skip
                    finish_band(
                        z, y, codes, bias, n, g * Fg + p * panel, min(panel, Fg - p * panel),
                        rows, OW, first, h0, hs, w0, ws, relu, pool,
                    )  # fmt: skip


forward_kernel = jit_parallel(forward_loops)


class Steps(NamedTuple):
    """How the windows of one convolution lie along the image, for the kernels."""

    SH: int
    SW: int
    DH: int
    DW: int
    top: int
    left: int
    OH: int
    OW: int


def forward(
    x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
) -> tuple[Array, Array | None]:
    """y[n,i,j,f] = epilogue(sum over k,l,c of xp[n, i*SH+k*DH, j*SW+l*DW, c] * kernel[k,l,c,f])."""
    (OH, OW), (KH, KW) = window.output, window.size
    y, codes = results((x.shape[0], OH, OW, kernel.shape[3]), epilogue, x.dtype)
    panels = panels_of(kernel, groups, (0, 1, KH), (0, 1, KW), False)
    (top, _), (left, _) = window.padding
    if epilogue.pool:
        OH, OW = OH // 2 * 2, OW // 2 * 2  # what no pool sees is not computed
    steps = Steps(*window.strides, *window.dilation, top, left, OH, OW)
    run(x, panels, y, codes, steps, epilogue)
    return y, codes if epilogue.codes else None


def run(
    x: Array, panels: Array, y: Array, codes: Array, steps: Steps, epilogue: Epilogue,
    place: tuple[int, int, int, int] = (0, 1, 0, 1),
) -> None:  # fmt: skip
    """Output row i goes to row place[0] + i * place[1] of y, columns likewise."""
    groups, _, KH, KW, _, panel = panels.shape
    width = (tiled(steps.OW) - 1) * steps.SW + (KW - 1) * steps.DW + 1
    row = width * x.shape[3]
    height, seen = band(
        x.shape[0],
        steps,
        KH,
        (row * steps.SH + tiled(steps.OW) * panel) * x.itemsize,
        epilogue.pool,
    )
    threads = thread_count()
    images = empty((threads, padded(seen * row)), x.dtype)
    sums = empty((threads, height, tiled(steps.OW), panel), x.dtype)
    bias = bias_of(epilogue, y.shape[3], x.dtype)
    forward_kernel(
        x, panels, bias, y, codes, images, sums, *steps,
        height, width, *place, int(epilogue.relu), int(epilogue.pool),
    )  # fmt: skip


def band(images: int, steps: Steps, KH: int, row_bytes: int, even: bool) -> tuple[int, int]:
    """Output rows to do at a time, so that they stay in the cache, and the rows they see."""
    bands = -(-steps.OH // max(1, BAND_BYTES // row_bytes))
    share = thread_count() // math.gcd(images, thread_count())
    bands = min(steps.OH, -(-bands // share) * share)  # the same number for every thread
    height = -(-steps.OH // bands)
    if even:
        height += height % 2
    return height, (height - 1) * steps.SH + (KH - 1) * steps.DH + 1


def padded(size: int) -> int:
    """Room for a last tile that reads too far; never a power of two, which caches dislike."""
    return size + 16 * ROWS + (16 if size % 1024 == 0 else 0)


# ---- the gradient of the input --------------------------------------------------------


class Phase(NamedTuple):
    """Every stride-th row (or column) of dx: a convolution of dz with some of the taps.

    Attributes:
        taps: first, step and count of the taps of the kernel, in the order of dz's rows.
        top: padding of dz.
        dilation: rows of dz between neighbouring taps.
        count: rows of dx.
    """

    taps: tuple[int, int, int]
    top: int
    dilation: int
    count: int


def phase(first: int, length: int, size: int, stride: int, dilation: int, pad: int) -> Phase:
    """Row h = first + a*stride of dx, a = 0, 1, ...:

    tap k sees it from row i = a + (first + pad - k*dilation) / stride of dz, if that is whole.
    """
    taps = [k for k in range(size) if (first + pad - k * dilation) % stride == 0]
    step = stride // math.gcd(stride, dilation)
    count = -(-(length - first) // stride)
    if not taps:
        return Phase((0, 0, 0), 0, 1, count)
    top = (taps[-1] * dilation - first - pad) // stride
    return Phase((taps[-1], -step, len(taps)), top, step * dilation // stride, count)


def input_gradient(dz: Array, kernel: Array, window: Window, groups: int) -> Array:
    """dx[n,h,w,c] = sum of dz[n,i,j,f] * kernel[k,l,c,f] over i*SH + k*DH - top = h, same for w."""
    (H, W), (SH, SW), (KH, KW) = window.input, window.strides, window.size
    (DH, DW), ((top, _), (left, _)) = window.dilation, window.padding
    dx = empty((dz.shape[0], H, W, kernel.shape[2] * groups), dz.dtype)
    codes = empty((0, 0, 0, 0), np.uint8)
    rows = [phase(h, H, KH, SH, DH, top) for h in range(min(SH, H))]
    cols = [phase(w, W, KW, SW, DW, left) for w in range(min(SW, W))]
    if any(each.taps[2] == 0 for each in (*rows, *cols)):
        dx[...] = 0  # pixels that no window sees
    for h, row in enumerate(rows):
        for w, col in enumerate(cols):
            if row.taps[2] and col.taps[2]:
                panels = panels_of(kernel, groups, row.taps, col.taps, True)
                steps = Steps(
                    1, 1, row.dilation, col.dilation, row.top, col.top, row.count, col.count
                )
                run(dz, panels, dx, codes, steps, PLAIN, (h, SH, w, SW))
    return dx
