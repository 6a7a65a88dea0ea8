"""The columns of a convolution: im2col and col2im, side by side.

im2col copies the C channels of a pixel in one go. With one or three channels there
is little to copy in one go, so then the columns are laid out the other way round,
one tap after the other, and the copy runs along the image.

Source: Chellapilla, Puri, Simard 2006, "High performance convolutional neural networks for
document processing".
"""

from __future__ import annotations

from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.workspace import empty
from tinyconv.geometry import Window

FEW_CHANNELS = 3  # up to which im2col runs along the image instead of the channels


# ---- kernels ----------------------------------------------------------------


def im2col_loops(
    x: Array, columns: Array, first: int, last: int, OH: int, OW: int, KH: int, KW: int,
    SH: int, SW: int, DH: int, DW: int, top: int, left: int,
) -> None:  # fmt: skip
    """columns[(r, j), (k, l, c)] = x[n, i*SH + k*DH - top, j*SW + l*DW - left, c].

    r = n*OH + i counts the output rows of the batch; those from first to last - 1
    are written. Outside of the image there are zeros.
    """
    _, H, W, C = x.shape
    zero = x.dtype.type(0)
    for row in prange(last - first):
        n, i = (first + row) // OH, (first + row) % OH
        for j in range(OW):
            column = columns[row * OW + j]
            for k in range(KH):
                h = i * SH + k * DH - top
                for l in range(KW):
                    w = j * SW + l * DW - left
                    tap = column[(k * KW + l) * C : (k * KW + l + 1) * C]
                    if 0 <= h < H and 0 <= w < W:
                        pixel = x[n, h, w]
                        for c in range(C):
                            tap[c] = pixel[c]
                    else:
                        for c in range(C):
                            tap[c] = zero


im2col_kernel = jit_parallel(im2col_loops)


def col2im_loops(
    columns: Array, dx: Array, OH: int, OW: int, KH: int, KW: int, SH: int, SW: int, DH: int,
    DW: int, top: int, left: int,
) -> None:  # fmt: skip
    """dx[n, h, w, c] = sum of columns[(n, i, j), (k, l, c)] over i*SH + k*DH - top = h, w likewise.

    Gather form: each row h of the image collects its own copies, so that no two
    threads ever write the same pixel.
    """
    N, H, W, C = dx.shape
    zero = dx.dtype.type(0)
    for row in prange(N * H):
        n, h = row // H, row % H
        for w in range(W):
            pixel = dx[n, h, w]
            for c in range(C):
                pixel[c] = zero
        for k in range(KH):
            i = (h + top - k * DH) // SH
            if (h + top - k * DH) % SH != 0 or i < 0 or i >= OH:
                continue
            for j in range(OW):
                column = columns[(n * OH + i) * OW + j]
                for l in range(KW):
                    w = j * SW + l * DW - left
                    if 0 <= w < W:
                        pixel, tap = dx[n, h, w], column[(k * KW + l) * C : (k * KW + l + 1) * C]
                        for c in range(C):
                            pixel[c] += tap[c]


col2im_kernel = jit_parallel(col2im_loops)


def im2col_by_tap_loops(
    x: Array, columns: Array, first: int, last: int, OH: int, OW: int, KH: int, KW: int,
    SH: int, SW: int, DH: int, DW: int, top: int, left: int,
) -> None:  # fmt: skip
    """The same transposed, (KH*KW*C, rows * OW): the innermost loop runs along the image."""
    _, H, W, C = x.shape
    zero = x.dtype.type(0)
    for row in prange(last - first):
        n, i = (first + row) // OH, (first + row) % OH
        for tap in range(KH * KW * C):
            k, l, c = tap // (KW * C), tap // C % KW, tap % C
            j_first = min(max(0, (left - l * DW + SW - 1) // SW), OW)  # before it, w < 0
            j_last = max(j_first, min(OW, (W - 1 + left - l * DW) // SW + 1))  # from it, w >= W
            h = i * SH + k * DH - top
            column = columns[tap, row * OW : (row + 1) * OW]
            if h < 0 or h >= H:
                for j in range(OW):
                    column[j] = zero
                continue
            for j in range(j_first):
                column[j] = zero
            for j in range(j_last, OW):
                column[j] = zero
            # Slices, because an index that might be negative would not be vectorised.
            inside = column[j_first:j_last]
            pixels = x[n, h, max(0, j_first * SW + l * DW - left) :, c]
            for j in range(inside.size):
                inside[j] = pixels[j * SW]


im2col_by_tap_kernel = jit_parallel(im2col_by_tap_loops)


def im2col(x: Array, window: Window, first: int, last: int) -> Array:
    """The columns of the output rows from first to last - 1, counted over the batch."""
    C, (OH, OW) = x.shape[3], window.output
    shape = ((last - first) * OW, window.size[0] * window.size[1] * C)
    if C > FEW_CHANNELS:
        columns = empty(shape, x.dtype)
        im2col_kernel(x, columns, first, last, OH, OW, *_steps(window))
        return columns
    by_tap = empty(shape[::-1], x.dtype)
    im2col_by_tap_kernel(x, by_tap, first, last, OH, OW, *_steps(window))
    return by_tap.T


def col2im(columns: Array, N: int, window: Window) -> Array:
    """dx (N, H, W, C): each pixel is the sum of its copies in the columns of N images."""
    C = columns.shape[1] // (window.size[0] * window.size[1])
    dx = empty((N, *window.input, C), columns.dtype)
    col2im_kernel(columns, dx, *window.output, *_steps(window))
    return dx


def _steps(window: Window) -> tuple[int, ...]:
    """KH, KW, SH, SW, DH, DW, top, left: plain ints for the kernels."""
    (top, _), (left, _) = window.padding
    return (*window.size, *window.strides, *window.dilation, top, left)
