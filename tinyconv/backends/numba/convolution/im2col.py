"""Convolution by columns: copy every window, then multiply. The one to learn from.

    z       = im2col(x) @ kernel
    dkernel = im2col(x)^T @ dz
    dx      = col2im(dz @ kernel^T)

as in the textbook, with the kernels of columns.py and the product of gemm.py. But the
columns of a whole batch are KH*KW times as large as x and would go out to memory and come
back, so some rows of the output are done at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.numba.convolution import columns
from tinyconv.backends.numba.convolution.case import ConvCase, Epilogue
from tinyconv.backends.numba.convolution.epilogue import finish
from tinyconv.backends.numba.gemm import matmul
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy.convolution import group_slices
from tinyconv.geometry import Window

BAND_BYTES = 1 << 23  # columns that are made at a time: they stay in the third-level cache


def reason_against(case: ConvCase) -> str | None:
    """None: any stride, padding, dilation and groups."""
    return None


def forward(
    x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
) -> tuple[Array, Array | None]:
    """z = im2col(x) @ kernel, then the epilogue in a pass of its own."""
    F = kernel.shape[3]
    if groups == 1:
        return finish(_product(x, kernel, window), epilogue)
    z = empty((x.shape[0], *window.output, F), x.dtype)
    for channels, filters in group_slices(groups, x.shape[3], F):
        z[..., filters] = _product(x[..., channels], kernel[..., filters], window)
    return finish(z, epilogue)


def input_gradient(dz: Array, kernel: Array, window: Window, groups: int) -> Array:
    """dx = col2im(dz @ kernel^T)."""
    if groups == 1:
        return _input_gradient(dz, kernel, window)
    C = kernel.shape[2] * groups
    dx = empty((dz.shape[0], *window.input, C), dz.dtype)
    for channels, filters in group_slices(groups, C, kernel.shape[3]):
        dx[..., channels] = _input_gradient(dz[..., filters], kernel[..., filters], window)
    return dx


def kernel_gradient(x: Array, dz: Array, window: Window, groups: int) -> Array:
    """dkernel = im2col(x)^T @ dz."""
    if groups == 1:
        return _kernel_gradient(x, dz, window)
    C, F = x.shape[3], dz.shape[3]
    dkernel = empty((*window.size, C // groups, F), x.dtype)
    for channels, filters in group_slices(groups, C, F):
        dkernel[..., filters] = _kernel_gradient(x[..., channels], dz[..., filters], window)
    return dkernel


# ---- one group ----------------------------------------------------------------------


def _product(x: Array, kernel: Array, window: Window) -> Array:
    """z[band] = im2col(x)[band] @ kernel."""
    x, matrix = np.ascontiguousarray(x), _as_matrix(kernel)
    (N, OH, OW), F = (x.shape[0], *window.output), kernel.shape[3]
    z = empty((N, OH, OW, F), x.dtype)
    rows = z.reshape(-1, F)
    for first, last in _bands(N * OH, OW * len(matrix) * x.itemsize):
        band = columns.im2col(x, window, first, last)
        matmul(band, matrix, out=rows[first * OW : last * OW])
    return z


def _kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """dkernel = sum over bands of im2col(x)[band]^T @ dz[band]."""
    x, rows = np.ascontiguousarray(x), _as_matrix(dz)
    (C, F), (OH, OW) = (x.shape[3], dz.shape[3]), window.output
    dkernel = np.zeros((*window.size, C, F), x.dtype)
    K = window.size[0] * window.size[1] * C
    for first, last in _bands(x.shape[0] * OH, OW * K * x.itemsize):
        band = columns.im2col(x, window, first, last)
        dkernel += matmul(band.T, rows[first * OW : last * OW]).reshape(dkernel.shape)
    return dkernel


def _input_gradient(dz: Array, kernel: Array, window: Window) -> Array:
    """dx = col2im(dz @ kernel^T), some images at a time: all rows of one are needed."""
    (N, OH, OW, F), C, matrix = dz.shape, kernel.shape[2], _as_matrix(kernel)
    dx = empty((N, *window.input, C), dz.dtype)
    for first, last in _bands(N, OH * OW * len(matrix) * dz.itemsize):
        rows = np.ascontiguousarray(dz[first:last]).reshape(-1, F)
        dx[first:last] = columns.col2im(matmul(rows, matrix.T), last - first, window)
    return dx


def _bands(rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """(first, last) of so many rows that their columns take BAND_BYTES, or of one."""
    step = max(1, BAND_BYTES // max(1, row_bytes))
    for first in range(0, rows, step):
        yield first, min(first + step, rows)


def _as_matrix(array: Array) -> Array:
    """(..., F) -> (rows, F)."""
    return np.ascontiguousarray(array).reshape(-1, array.shape[-1])
