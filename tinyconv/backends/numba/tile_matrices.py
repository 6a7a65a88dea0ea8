"""Winograd's matrices, each as a function of a column.

The matrices follow from m + 1 points at which polynomials are evaluated. For m = 2 these
are 0, 1, -1. For m = 4 here they are 0, ±a, ±b with a = sqrt(1/2) and
b = sqrt(2), not the paper's 0, ±1, ±2, whose 1 to 8 fold weights cost accuracy: the
error is about a quarter, for the same number of operations (Alam et al. 2022, "Winograd
convolution for deep neural networks: efficient point selection").

Each function is a matrix times a column of vectors; +, - and * are those of numbers, of
NumPy arrays or of values in LLVM. Rows that belong to a point and to its negative differ
in the sign of their odd terms, which are therefore computed once. The matrices are named
in tile_transforms.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Transform = Callable[[Sequence[Any]], list[Any]]

a, b = math.sqrt(0.5), math.sqrt(2)

# G, by m; its transpose takes the gradient back: dk = G^T t G.
KERNEL = {
    2: np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
    4: np.array(
        [
            [1, 0, 0],
            [-2 / 3, -2 / 3 * a, -1 / 3],
            [-2 / 3, 2 / 3 * a, -1 / 3],
            [1 / 6, b / 6, 1 / 3],
            [1 / 6, -b / 6, 1 / 3],
            [0, 0, 1],
        ]
    ),
}


def input_2(d: Sequence[Any]) -> list[Any]:
    """B^T d"""
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[3] - d[1]]


def output_2(t: Sequence[Any]) -> list[Any]:
    """A^T t"""
    return [t[0] + t[1] + t[2], t[1] - t[2] + t[3]]


def spread_2(y: Sequence[Any]) -> list[Any]:
    """A y"""
    return [y[0], y[0] + y[1], y[0] - y[1], y[1]]


def input_4(d: Sequence[Any]) -> list[Any]:
    """B^T d"""
    even_a, odd_a = d[4] - 2 * d[2], a * (d[3] - 2 * d[1])
    even_b, odd_b = d[4] - 0.5 * d[2], b * (d[3] - 0.5 * d[1])
    return [
        d[0] - 2.5 * d[2] + d[4],
        even_a + odd_a,
        even_a - odd_a,
        even_b + odd_b,
        even_b - odd_b,
        d[1] - 2.5 * d[3] + d[5],
    ]


def output_4(t: Sequence[Any]) -> list[Any]:
    """A^T t"""
    even_a, odd_a = t[1] + t[2], a * (t[1] - t[2])
    even_b, odd_b = t[3] + t[4], b * (t[3] - t[4])
    return [
        t[0] + even_a + even_b,
        odd_a + odd_b,
        0.5 * even_a + 2 * even_b,
        0.5 * odd_a + 2 * odd_b + t[5],
    ]


def spread_4(y: Sequence[Any]) -> list[Any]:
    """A y"""
    even_a, odd_a = y[0] + 0.5 * y[2], a * (y[1] + 0.5 * y[3])
    even_b, odd_b = y[0] + 2 * y[2], b * (y[1] + 2 * y[3])
    return [y[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, y[3]]


def expand_2(k: Sequence[Any]) -> list[Any]:
    """G k"""
    even, odd = 0.5 * (k[0] + k[2]), 0.5 * k[1]
    return [k[0], even + odd, even - odd, k[2]]


def reduce_2(t: Sequence[Any]) -> list[Any]:
    """G^T t"""
    even, odd = 0.5 * (t[1] + t[2]), 0.5 * (t[1] - t[2])
    return [t[0] + even, odd, even + t[3]]


def expand_4(k: Sequence[Any]) -> list[Any]:
    """G k"""
    even_a, odd_a = -2 / 3 * k[0] - 1 / 3 * k[2], -2 / 3 * a * k[1]
    even_b, odd_b = 1 / 6 * k[0] + 1 / 3 * k[2], 1 / 6 * b * k[1]
    return [k[0], even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, k[2]]


def reduce_4(t: Sequence[Any]) -> list[Any]:
    """G^T t"""
    even_a, odd_a = t[1] + t[2], t[1] - t[2]
    even_b, odd_b = t[3] + t[4], t[3] - t[4]
    return [
        t[0] - 2 / 3 * even_a + 1 / 6 * even_b,
        1 / 6 * b * odd_b - 2 / 3 * a * odd_a,
        1 / 3 * (even_b - even_a) + t[5],
    ]


def both_axes(transform: Transform, tile: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """M t M^T for a square tile t, if `transform` multiplies by M."""
    columns = [transform(column) for column in zip(*tile, strict=True)]
    return [transform(row) for row in zip(*columns, strict=True)]
