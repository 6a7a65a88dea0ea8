"""What a matrix product copies: its operands in, tile by tile its result out.

Matrices are flat memory with the strides of their rows and columns; see gemm.py.
"""

from __future__ import annotations

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_inner

PAD = 16  # numbers between copied rows, lest they share a place in the cache
TRANSPOSED = 64  # k of a column that are copied in one go


def copy_a_loops(
    A: Array, a0: int, a_row: int, a_col: int, rows: int, K: int,
    copy: Array, copy_row: int, copy_col: int, height: int,
) -> None:  # fmt: skip
    """copy[i*copy_row + k*copy_col] = A[i, k], and zeros in the rows that fill the last tile.

    A row of A is copied in one go, or where A is transposed a column.
    """
    zero = copy.dtype.type(0)
    padded = (rows + height - 1) // height * height
    if a_col == 1:
        for i in range(rows):
            source = A[a0 + i * a_row : a0 + i * a_row + K]
            target = copy[i * copy_row : i * copy_row + K]
            for k in range(K):
                target[k] = source[k]
        for i in range(rows, padded):
            copy[i * copy_row : i * copy_row + K] = zero
    else:
        for k in range(K):
            source = A[a0 + k * a_col : a0 + k * a_col + rows]
            target = copy[k * copy_col : k * copy_col + padded]
            for i in range(rows):
                target[i] = source[i]
            for i in range(rows, padded):
                target[i] = zero


copy_a = jit_inner(copy_a_loops)


def copy_b_loops(
    B: Array, b0: int, b_row: int, b_col: int, K: int, columns: int, width: int, copy: Array
) -> None:
    """copy[panel, k, j] = B[k, panel*width + j], and zeros that fill the last panel."""
    panels, size = (columns + width - 1) // width, K * width + PAD
    zero = copy.dtype.type(0)
    if columns < panels * width:
        copy[(panels - 1) * size : panels * size] = zero
    if b_col == 1:
        for k in range(K):
            for panel in range(panels):
                count = min(width, columns - panel * width)
                start = b0 + k * b_row + panel * width
                source = B[start : start + count]
                target = copy[panel * size + k * width : panel * size + k * width + count]
                for j in range(count):
                    target[j] = source[j]
        return
    for first in range(0, K, TRANSPOSED):
        count = min(TRANSPOSED, K - first)
        for j in range(columns):
            source = B[b0 + j * b_col + first : b0 + j * b_col + first + count]
            place = j // width * size + first * width + j % width
            for k in range(count):
                copy[place + k * width] = source[k]


copy_b = jit_inner(copy_b_loops)


def begin_loops(
    plus: Array, rows: int, columns: int, C: Array, c0: int, c_row: int, c_col: int,
    bias: Array, bias0: int, bias_col: int,
) -> None:  # fmt: skip
    """A part of C = plus + bias, to which the product is added.

    `plus` lies in memory as C does. The bias belongs to the columns, or where bias_col is 0
    to the rows.
    """
    if c_col == 1:
        for i in range(rows):
            source = plus[c0 + i * c_row : c0 + i * c_row + columns]
            target = C[c0 + i * c_row : c0 + i * c_row + columns]
            if bias_col == 1:
                own = bias[bias0 : bias0 + columns]
                for j in range(columns):
                    target[j] = source[j] + own[j]
            else:
                for j in range(columns):
                    target[j] = source[j] + bias[bias0 + i]
    else:
        for j in range(columns):
            source = plus[c0 + j * c_col : c0 + j * c_col + rows]
            target = C[c0 + j * c_col : c0 + j * c_col + rows]
            for i in range(rows):
                target[i] = source[i] + bias[bias0 + (j if bias_col == 1 else i)]


begin = jit_inner(begin_loops)


def put_loops(
    tile: Array, rows: int, columns: int, width: int, C: Array, c0: int, c_row: int, c_col: int,
    bias: Array, bias0: int, bias_col: int, first: bool, relu: bool,
) -> None:  # fmt: skip
    """C = relu(C + tile), or relu(tile + bias) if it is the `first`.

    The bias belongs to the columns, or where bias_col is 0 to the rows.
    """
    zero = tile.dtype.type(0)
    if first:
        for i in range(rows):
            source = tile[i * width : i * width + columns]
            if bias_col == 1:
                own = bias[bias0 : bias0 + columns]
                for j in range(columns):
                    source[j] += own[j]
            else:
                for j in range(columns):
                    source[j] += bias[bias0 + i]
    if c_col == 1:
        for i in range(rows):
            source = tile[i * width : i * width + columns]
            target = C[c0 + i * c_row : c0 + i * c_row + columns]
            if not first:
                for j in range(columns):
                    source[j] += target[j]
            if relu:
                for j in range(columns):
                    target[j] = zero if source[j] < zero else source[j]  # NaN stays NaN
            else:
                for j in range(columns):
                    target[j] = source[j]
    else:
        for j in range(columns):
            target = C[c0 + j * c_col : c0 + j * c_col + rows]
            for i in range(rows):
                value = tile[i * width + j]
                if not first:
                    value += target[i]
                target[i] = zero if relu and value < zero else value


put = jit_inner(put_loops)
