"""Convolution as a matrix product whose columns are never written.

A row of im2col's columns is a window of the image, and a window is KH pieces of the
image with KW * C contiguous numbers each. The micro-kernel walks over them where they
are: k along a piece, r from piece to piece, i from one output pixel to the next.

          SW*C
         |--->|              K = KW*C numbers along k
    r=0  [ i=0:  . . . . . . ]              a row of the image, border included
              [ i=1:  . . . . . . ]
    r=1  [ . . . . . . . ]                  DH rows further down
    r=2  [ . . . . . . . ]

    z[i, f] = sum over r, k of image[i*SW*C + r*DH*row + k] * kernel[(r, k), f]

The image is copied, a band of rows at a time, into a border of zeros: KH*KW times less
to write than columns. With dilation or groups the pieces are the C // groups numbers of
one pixel, so r runs along the KW taps of a kernel row, and the kernel rows are added up.

The gradients are products of the same kind:

    dkernel[(r, k), f] = sum over pixels of image[pixel + (r, k)] * dz[pixel, f]
    dx = convolution of dz with the flipped, transposed kernel

In the first, neighbouring numbers of an image row are the rows of the tile (i), and the
sum over the pixels of a band is k (along a row) and r (from row to row).

With strides, dx falls apart into SH * SW phases. Row h of dx is seen by the taps k with
(h + top - k*DH) % SH == 0 only, and these are the same for every SH-th row: for those
rows it is a convolution with stride 1 and fewer taps (Dumoulin & Visin 2016, chapter 4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.numba.convolution.case import PLAIN, ConvCase, Epilogue
from tinyconv.backends.numba.convolution.epilogue import NO_CODES, bias_of, results
from tinyconv.backends.numba.convolution.implicit_gemm_loops import (
    forward_kernel,
    gradient_kernel,
    total_kernel,
)
from tinyconv.backends.numba.convolution.packing import panel_width, panels_of, tiled
from tinyconv.backends.numba.microkernel import ROWS
from tinyconv.backends.numba.threads import thread_count
from tinyconv.backends.numba.workspace import empty, several
from tinyconv.geometry import Window

BAND_BYTES = 1 << 18  # image rows and results of one band: a quarter of a second-level cache
SUM_BYTES = 1 << 28  # the kernel's gradient, once for each thread: fewer threads if it is more


def reason_against(case: ConvCase) -> str | None:
    """None: any stride, padding, dilation and groups."""
    return None


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


# ---- forward ------------------------------------------------------------------------


def forward(
    x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
) -> tuple[Array, Array | None]:
    """y[n,i,j,f] = epilogue(sum over k,l,c of xp[n, i*SH+k*DH, j*SW+l*DW, c] * kernel[k,l,c,f])."""
    (KH, KW), (OH, OW), ((top, _), (left, _)) = window.size, window.output, window.padding
    y, codes = results((len(x), OH, OW, kernel.shape[3]), epilogue, x.dtype)
    panels = panels_of(kernel, groups, (0, 1, KH), (0, 1, KW), False)
    if epilogue.pool:
        OH, OW = OH // 2 * 2, OW // 2 * 2  # what no pool sees is not computed
    steps = Steps(*window.strides, *window.dilation, top, left, OH, OW)
    _convolve(x, panels, y, codes, steps, epilogue)
    return y, codes if epilogue.codes else None


def _convolve(
    x: Array, panels: Array, y: Array, codes: Array, steps: Steps, epilogue: Epilogue,
    place: tuple[int, int, int, int] = (0, 1, 0, 1),
) -> None:  # fmt: skip
    """Output row i goes to row place[0] + i * place[1] of y, columns likewise."""
    KH, KW, panel, C = *panels.shape[2:4], panels.shape[5], x.shape[3]
    width = (tiled(steps.OW) - 1) * steps.SW + (KW - 1) * steps.DW + 1
    row_bytes = (width * C * steps.SH + tiled(steps.OW) * panel) * x.itemsize
    height, seen = _band(len(x), steps, KH, row_bytes, epilogue.pool)
    threads = thread_count()
    images, sums = several(
        x.dtype,
        (threads, _padded(seen * width * C)),
        (threads, height, tiled(steps.OW), panel),
    )
    bias = bias_of(epilogue, y.shape[3], x.dtype)
    forward_kernel(
        x, panels, bias, y, codes, images, sums, *steps,
        height, width, *place, int(epilogue.relu), int(epilogue.pool),
    )  # fmt: skip


def _band(images: int, steps: Steps, KH: int, row_bytes: int, even: bool) -> tuple[int, int]:
    """Output rows to do at a time, so that they stay in the cache, and the rows they see."""
    bands = -(-steps.OH // max(1, BAND_BYTES // row_bytes))
    share = thread_count() // math.gcd(images, thread_count())
    bands = min(steps.OH, -(-bands // share) * share)  # the same number for every thread
    height = -(-steps.OH // bands)
    if even:
        height += height % 2
    return height, (height - 1) * steps.SH + (KH - 1) * steps.DH + 1


def _padded(size: int) -> int:
    """Room for a last tile that reads too far; never a power of two, which caches dislike."""
    return size + 16 * ROWS + (16 if size % 1024 == 0 else 0)


# ---- the gradient of the input --------------------------------------------------------


class Phase(NamedTuple):
    """Every stride-th row (or column) of dx: a convolution of dz with some of the taps.

    Attributes:
        taps: first, step and count of the taps of the kernel, in the order of dz's rows.
        top: padding of dz.
        dilation: rows of dz between neighbouring taps.
        length: rows of dx.
    """

    taps: tuple[int, int, int]
    top: int
    dilation: int
    length: int


def phase(first: int, length: int, size: int, stride: int, dilation: int, pad: int) -> Phase:
    """Row h = first + a*stride of dx, a = 0, 1, ...:

    tap k sees it from row i = a + (first + pad - k*dilation) / stride of dz, if that is whole.
    """
    taps = [k for k in range(size) if (first + pad - k * dilation) % stride == 0]
    step = stride // math.gcd(stride, dilation)
    rows = -(-(length - first) // stride)
    if not taps:
        return Phase((0, 0, 0), 0, 1, rows)
    top = (taps[-1] * dilation - first - pad) // stride
    return Phase((taps[-1], -step, len(taps)), top, step * dilation // stride, rows)


def input_gradient(dz: Array, kernel: Array, window: Window, groups: int) -> Array:
    """dx[n,h,w,c] = sum of dz[n,i,j,f] * kernel[k,l,c,f] over i*SH + k*DH - top = h, same for w."""
    (H, W), (SH, SW), (KH, KW) = window.input, window.strides, window.size
    (DH, DW), ((top, _), (left, _)) = window.dilation, window.padding
    dx = empty((len(dz), H, W, kernel.shape[2] * groups), dz.dtype)
    rows = [phase(h, H, KH, SH, DH, top) for h in range(min(SH, H))]
    cols = [phase(w, W, KW, SW, DW, left) for w in range(min(SW, W))]
    if any(each.taps[2] == 0 for each in (*rows, *cols)):
        dx[...] = 0  # pixels that no window sees
    for h, row in enumerate(rows):
        for w, col in enumerate(cols):
            if row.taps[2] and col.taps[2]:
                panels = panels_of(kernel, groups, row.taps, col.taps, True)
                steps = Steps(
                    1, 1, row.dilation, col.dilation, row.top, col.top, row.length, col.length
                )
                _convolve(dz, panels, dx, NO_CODES, steps, PLAIN, (h, SH, w, SW))
    return dx


# ---- the gradient of the kernel ---------------------------------------------------------


def kernel_gradient(x: Array, dz: Array, window: Window, groups: int) -> Array:
    """dkernel[k,l,c,f] = sum over n,i,j of xp[n, i*SH+k*DH, j*SW+l*DW, c] * dz[n,i,j,f]."""
    return _kernel_gradient(x, dz, NO_CODES, window, groups)[0]


def block_gradient(
    x: Array, dy: Array, codes: Array, window: Window, groups: int
) -> tuple[Array, Array]:
    """The same from dy (N, OH // 2, OW // 2, F) behind a pool, without ever writing dz.

    -> (dkernel, dbias). For the first layer of a network, where nobody else needs dz.
    """
    return _kernel_gradient(x, dy, codes, window, groups)


def _kernel_gradient(
    x: Array, dz: Array, codes: Array, window: Window, groups: int
) -> tuple[Array, Array]:
    """Each thread adds up its own bands, always in the same order, and then the sums of the
    threads are added in theirs: the result does not depend on who was faster.
    """
    (KH, KW), (SH, SW), (DH, DW) = window.size, window.strides, window.dilation
    (OH, OW), ((top, _), (left, _)) = window.output, window.padding
    pooled = codes.size > 0
    if pooled:
        OH, OW = OH // 2 * 2, OW // 2 * 2  # elsewhere dz is zero
    C, F, panel = x.shape[3], dz.shape[3], panel_width(x.dtype)
    whole_rows = groups == 1 and DW == 1  # the taps of a kernel row are contiguous
    pieces, length = (KH, KW * C) if whole_rows else (KH * KW, C // groups)
    width, panels = (OW - 1) * SW + (KW - 1) * DW + 1, -(-(F // groups) // panel)
    steps = Steps(SH, SW, DH, DW, top, left, OH, OW)
    row_bytes = (width * C * SH + OW * panels * panel) * x.itemsize
    height, seen = _band(len(x), steps, KH, row_bytes, pooled)
    sums = groups, panels, pieces, tiled(length), panel
    threads = max(1, min(thread_count(), SUM_BYTES // (math.prod(sums) * x.itemsize)))
    images, pixels, partial = several(
        x.dtype,
        (threads, _padded(seen * width * C)),
        (threads, panels, height * OW, panel),
        (threads, *sums),
    )
    dbias = np.empty((threads, F), x.dtype)
    gradient_kernel(x, dz, codes, partial, dbias, images, pixels, *steps, height, width, KH, length)
    dkernel = empty((KH, KW, C // groups, F), x.dtype)
    total_kernel(partial, dkernel.reshape(pieces, length, F))
    return dkernel, dbias.sum(axis=0)
