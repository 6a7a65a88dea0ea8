"""The micro-kernel in plain Numba: for CPUs whose vectors nobody has written down yet.

The same functions as microkernel.make gives, to be read first: what the registers do
there, three plain loops do here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit


@cache
def make(rows: int, row_bytes: int, accumulate: bool) -> Any:
    """As microkernel.make; a row of the tile has row_bytes // itemsize numbers."""

    def portable_loops(
        A: Array,
        a0: int,
        a_row: int,
        a_col: int,
        a_outer: int,
        B: Array,
        b0: int,
        b_row: int,
        b_outer: int,
        C: Array,
        c0: int,
        c_row: int,
        K: int,
        R: int,
    ) -> None:
        a_flat, b_flat, c_flat = A.reshape(-1), B.reshape(-1), C.reshape(-1)
        columns = row_bytes // C.itemsize
        sums = np.zeros((rows, columns), C.dtype)
        for r in range(R):
            for k in range(K):
                start = b0 + k * b_row + r * b_outer
                b = b_flat[start : start + columns]
                for i in range(rows):
                    a = a_flat[a0 + i * a_row + k * a_col + r * a_outer]
                    for v in range(columns):
                        sums[i, v] += a * b[v]
        for i in range(rows):
            c = c_flat[c0 + i * c_row : c0 + i * c_row + columns]
            for v in range(columns):
                c[v] = c[v] + sums[i, v] if accumulate else sums[i, v]

    portable_loops.__qualname__ = f"portable_loops_{rows}_{row_bytes}_{accumulate}"
    return jit(portable_loops)


def make_affine(rows: int, row_bytes: int) -> Any:
    """As microkernel.make_affine."""

    def portable_affine_loops(
        A: Array, a0: int, a_row: int, a_col: int, B: Array, b0: int, b_row: int,
        S: Array, s0: int, s_row: int, floor: float, C: Array, c0: int, c_row: int, K: int,
    ) -> None:  # fmt: skip
        a_flat, b_flat = A.reshape(-1), B.reshape(-1)
        s_flat, c_flat = S.reshape(-1), C.reshape(-1)
        columns = row_bytes // C.itemsize
        for i in range(rows):
            sums = s_flat[s0 + i * s_row : s0 + i * s_row + columns].copy()
            for k in range(K):
                a, start = a_flat[a0 + i * a_row + k * a_col], b0 + k * b_row
                b = b_flat[start : start + columns]
                for v in range(columns):
                    sums[v] += a * b[v]
            c = c_flat[c0 + i * c_row : c0 + i * c_row + columns]
            for v in range(columns):
                c[v] = floor if sums[v] < floor else sums[v]

    portable_affine_loops.__qualname__ = f"portable_affine_loops_{rows}_{row_bytes}"
    return jit(portable_affine_loops)
