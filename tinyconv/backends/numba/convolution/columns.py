"""The columns of a convolution: im2col and col2im, side by side.

im2col copies the C channels of a pixel in one go. With one or three channels there
is little to copy in one go, so then the columns are laid out the other way round,
one tap after the other, and the copy runs along the image.
"""

from __future__ import annotations

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit
from tinyconv.backends.numba.workspace import scratch
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
    for r in range(first, last):
        n, i = r // OH, r % OH
        for j in range(OW):
            column = columns[(r - first) * OW + j]
            for k in range(KH):
                h = i * SH + k * DH - top
                for l in range(KW):
                    w = j * SW + l * DW - left
                    tap = (k * KW + l) * C
                    if 0 <= h < H and 0 <= w < W:
                        for c in range(C):
                            column[tap + c] = x[n, h, w, c]
                    else:
                        for c in range(C):
                            column[tap + c] = zero


im2col_kernel = jit(im2col_loops)


def col2im_loops(
    columns: Array, dx: Array, first: int, h_first: int, h_last: int, OW: int, KH: int, KW: int,
    SH: int, SW: int, DH: int, DW: int, top: int, left: int,
) -> None:  # fmt: skip
    """dx[h, w, c] = sum of columns[(i, j), (k, l, c)] over all i*SH + k*DH - top = h, same for w.

    Gather form: each row h of the image collects its own copies, so that no two
    threads ever write the same pixel. `columns` starts with output row `first`.
    """
    _, W, C = dx.shape
    OH = columns.shape[0] // OW
    zero = dx.dtype.type(0)
    for h in range(h_first, h_last):
        for w in range(W):
            for c in range(C):
                dx[h, w, c] = zero
        for k in range(KH):
            if (h + top - k * DH) % SH != 0:
                continue
            i = (h + top - k * DH) // SH - first
            if i < 0 or i >= OH:
                continue
            for j in range(OW):
                column = columns[i * OW + j]
                for l in range(KW):
                    w = j * SW + l * DW - left
                    if 0 <= w < W:
                        tap = (k * KW + l) * C
                        for c in range(C):
                            dx[h, w, c] += column[tap + c]


col2im_kernel = jit(col2im_loops)


def im2col_by_tap_loops(
    x: Array, columns: Array, first: int, last: int, OH: int, OW: int, KH: int, KW: int,
    SH: int, SW: int, DH: int, DW: int, top: int, left: int,
) -> None:  # fmt: skip
    """The same transposed, (KH*KW*C, rows * OW): the innermost loop runs along the image."""
    _, H, W, C = x.shape
    zero = x.dtype.type(0)
    for tap in range(KH * KW * C):
        k, l, c = tap // (KW * C), tap // C % KW, tap % C
        j_first = min(max(0, (left - l * DW + SW - 1) // SW), OW)  # before it, w < 0
        j_last = max(j_first, min(OW, (W - 1 + left - l * DW) // SW + 1))  # from it on, w >= W
        for r in range(first, last):
            n, i = r // OH, r % OH
            h = i * SH + k * DH - top
            column = columns[tap, (r - first) * OW : (r - first + 1) * OW]
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


im2col_by_tap_kernel = jit(im2col_by_tap_loops)


def columns_of(x: Array, window: Window, first: int, last: int) -> Array:
    """im2col of the output rows from first to last - 1, counted over the batch."""
    C, (OH, OW) = x.shape[3], window.output
    shape = ((last - first) * OW, window.size[0] * window.size[1] * C)
    if C > FEW_CHANNELS:
        columns = scratch(shape, x.dtype)
        im2col_kernel(x, columns, first, last, OH, OW, *steps(window))
        return columns
    by_tap = scratch(shape[::-1], x.dtype)
    im2col_by_tap_kernel(x, by_tap, first, last, OH, OW, *steps(window))
    return by_tap.T


def steps(window: Window) -> tuple[int, ...]:
    """KH, KW, SH, SW, DH, DW, top, left: plain ints for the kernels."""
    (top, _), (left, _) = window.padding
    return (*window.size, *window.strides, *window.dilation, top, left)
