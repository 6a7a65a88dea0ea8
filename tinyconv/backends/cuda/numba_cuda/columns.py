"""im2col and its adjoint in Numba CUDA."""

from __future__ import annotations

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.numba_cuda.launching import cuda, empty, run
from tinyconv.geometry import Window


def im2col_loops(
    columns: Array, x: Array, OH: int, OW: int, KH: int, KW: int, SH: int, SW: int, DH: int,
    DW: int, top: int, left: int,
) -> None:  # fmt: skip
    """columns[(n, i, j), (k, l, c)] = x[n, i*SH + k*DH - top, j*SW + l*DW - left, c], or 0.

    A thread an element of the columns. Neighbours have neighbouring channels, so that they
    read and write side by side.
    """
    _, H, W, C = x.shape
    width = KH * KW * C
    for element in range(cuda.grid(1), columns.size, cuda.gridsize(1)):
        row, column = element // width, element % width
        n, i, j = row // (OH * OW), row // OW % OH, row % OW
        k, l, c = column // (KW * C), column // C % KW, column % C
        h, w = i * SH + k * DH - top, j * SW + l * DW - left
        if 0 <= h < H and 0 <= w < W:
            columns[row, column] = x[n, h, w, c]
        else:
            columns[row, column] = 0


def col2im_loops(
    x: Array, columns: Array, OH: int, OW: int, KH: int, KW: int, SH: int, SW: int, DH: int,
    DW: int, top: int, left: int,
) -> None:  # fmt: skip
    """x[n, h, w, c] = sum of columns[(n, i, j), (k, l, c)] over the taps that see the pixel.

    A thread a channel of a pixel, which gathers its own copies. Were the columns scattered
    instead, several threads would add to the same pixel at once. Tap k sees it from window
    row i where i*SH = h + top - k*DH, if there is such a row.
    """
    _, H, W, C = x.shape
    for element in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        c, w, h, n = element % C, element // C % W, element // (C * W) % H, element // (C * W * H)
        total = x.dtype.type(0)
        for k in range(KH):
            down = h + top - k * DH
            if 0 <= down < OH * SH and down % SH == 0:
                for l in range(KW):
                    right = w + left - l * DW
                    if 0 <= right < OW * SW and right % SW == 0:
                        row = (n * OH + down // SH) * OW + right // SW
                        total += columns[row, (k * KW + l) * C + c]
        x[n, h, w, c] = total


im2col_kernel = cuda.jit(im2col_loops)
col2im_kernel = cuda.jit(col2im_loops)


def im2col(x: Array, window: Window) -> Array:
    """Every window of x as a row: (N, H, W, C) -> (N * OH * OW, KH * KW * C)."""
    (OH, OW), (KH, KW) = window.output, window.size
    columns = empty(x, (x.shape[0] * OH * OW, KH * KW * x.shape[3]))
    run(im2col_kernel, columns, x, *_steps(window))
    return columns


def col2im(columns: Array, window: Window) -> Array:
    """The adjoint: (N * OH * OW, KH * KW * C) -> (N, H, W, C), each pixel the sum of its copies."""
    (OH, OW), (KH, KW) = window.output, window.size
    (rows, width), (H, W) = columns.shape, window.input
    x = empty(columns, (rows // (OH * OW), H, W, width // (KH * KW)))
    run(col2im_kernel, x, columns, *_steps(window))
    return x


def _steps(window: Window) -> tuple[int, ...]:
    """OH, OW, KH, KW, SH, SW, DH, DW, top, left."""
    (top, _), (left, _) = window.padding
    return *window.output, *window.size, *window.strides, *window.dilation, top, left
