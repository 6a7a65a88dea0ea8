"""The micro-kernel, on whole numbers: every result is exact, and so is what must stay as it was."""

import functools

import numpy as np
import pytest
from numba import njit

from tinyconv.backends.numba import microkernel

TILES = [
    (microkernel.ROWS, microkernel.VECTORS, False),
    (microkernel.ROWS, microkernel.VECTORS, True),
    (microkernel.HALF_ROWS, microkernel.VECTORS, True),
    (1, 1, False),
    (3, 4, True),
]


@functools.cache
def compiled(rows: int, vectors: int, accumulate: bool):
    kernel = microkernel.make(rows, vectors, accumulate)

    @njit
    def call(A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R):
        kernel(A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R)

    return call


def strided(array: np.ndarray, start: int, shape: tuple, strides: tuple) -> np.ndarray:
    """array.reshape(-1)[start + i*strides[0] + j*strides[1] + ...]"""
    assert start + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) < array.size
    size = array.itemsize
    flat = array.reshape(-1)[start:]
    return np.lib.stride_tricks.as_strided(flat, shape, [size * s for s in strides])


def whole_numbers(seed: int, shape: tuple, dtype: str) -> np.ndarray:
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(dtype)


@pytest.mark.parametrize("tile", TILES, ids=str)
def test_the_tile_is_the_product_and_nothing_else_is_written(tile, dtype):
    rows, vectors, accumulate = tile
    columns = vectors * microkernel.lanes(dtype)
    call = compiled(*tile)
    for K, R in ((1, 1), (2, 1), (9, 3), (64, 2)):
        # As in a convolution: pixels 2 * 3 numbers apart, rows of the image overlap nowhere.
        a0, a_row, a_col, a_outer = 5, 6, 1, 6 * rows + K + 3
        b0, b_row, b_outer = 1, columns + 3, K * (columns + 3) + 7
        c0, c_row = 2, columns + 5
        A = whole_numbers(1, (R + 1, a_outer), dtype)
        B = whole_numbers(2, (R + 1, b_outer), dtype)
        C = whole_numbers(3, (rows + 1, c_row), dtype)
        a = strided(A, a0, (R, rows, K), (a_outer, a_row, a_col))
        b = strided(B, b0, (R, K, columns), (b_outer, b_row, 1))
        expected = C.copy()
        target = strided(expected, c0, (rows, columns), (c_row, 1))
        target[:] = (target if accumulate else 0) + np.einsum("rik,rkv->iv", a, b)
        call(A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R)
        np.testing.assert_array_equal(C, expected)


def test_a_may_be_transposed(dtype):
    """For gradients of kernels: rows of the tile are channels, its sums go over pixels."""
    rows, vectors = microkernel.ROWS, microkernel.VECTORS
    columns = vectors * microkernel.lanes(dtype)
    A, B = whole_numbers(1, (17, rows), dtype), whole_numbers(2, (17, columns), dtype)
    C = np.empty((rows, columns), dtype)
    compiled(rows, vectors, False)(A, 0, 1, rows, 0, B, 0, columns, 0, C, 0, columns, 17, 1)
    np.testing.assert_array_equal(C, A.T @ B)


def test_nan_and_infinity_stay_in_their_row(dtype):
    rows, vectors = microkernel.ROWS, microkernel.VECTORS
    columns = vectors * microkernel.lanes(dtype)
    A, B = whole_numbers(1, (rows, 5), dtype), whole_numbers(2, (5, columns), dtype)
    A[0, 3], A[2, 1] = np.nan, np.inf
    B[1] = 0
    C = np.zeros((rows, columns), dtype)
    compiled(rows, vectors, True)(A, 0, 5, 1, 0, B, 0, columns, 0, C, 0, columns, 5, 1)
    assert np.isnan(C[[0, 2]]).all()  # infinity times 0 is NaN
    np.testing.assert_array_equal(C[[1, 3]], A[[1, 3]] @ B)


def test_lanes_in_python_and_in_compiled_code(dtype):
    @njit
    def lanes(array):
        return microkernel.lanes(array.dtype)

    array = np.zeros(1, dtype)
    assert lanes(array) == microkernel.lanes(dtype) == microkernel.lanes(array.dtype)
    assert microkernel.lanes("float32") == 2 * microkernel.lanes("float64")


@pytest.mark.parametrize("rows", [microkernel.ROWS, 4])
def test_a_layer_in_one_go(rows, dtype):
    """max(floor, bias + A @ B); the bias is the same for all rows; NaN passes."""
    vectors = microkernel.VECTORS
    columns = vectors * microkernel.lanes(dtype)
    kernel = microkernel.make_affine(rows, vectors)

    @njit
    def call(A, a0, a_row, a_col, B, b0, b_row, S, s0, s_row, floor, C, c0, c_row, K):
        kernel(A, a0, a_row, a_col, B, b0, b_row, S, s0, s_row, floor, C, c0, c_row, K)

    A, B = whole_numbers(1, (rows, 7), dtype), whole_numbers(2, (7, columns), dtype)
    A[1, 2] = np.nan
    bias, C = whole_numbers(3, (columns + 1,), dtype), np.zeros((rows + 1, columns + 3), dtype)
    floor = np.dtype(dtype).type
    call(A, 0, 7, 1, B, 0, columns, bias, 1, 0, floor(0), C, 2, columns + 3, 7)
    whole = C.ravel()[2 : 2 + rows * (columns + 3)].reshape(rows, -1)
    np.testing.assert_array_equal(whole[:, :columns], np.maximum(A @ B + bias[1:], 0))
    assert (whole[:, columns:] == 0).all()
    assert np.isnan(whole[1, :columns]).all()
    # Once more, on top of what is there, and without a floor.
    before = whole[:, :columns].copy()
    call(A, 0, 7, 1, B, 0, columns, C, 2, columns + 3, floor(-np.inf), C, 2, columns + 3, 7)
    np.testing.assert_array_equal(whole[:, :columns], before + A @ B)
