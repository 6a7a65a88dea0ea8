"""Convolution by columns: Numba moves the data, BLAS multiplies. The one to learn from.

As in the textbook, columns = im2col(x), z = columns @ kernel; but the columns of a
whole batch are KH*KW times as large as x and would go out to memory and come back.
So a few rows of the output are done at a time:

    for each band of output rows:           one band a thread at a time
        columns = im2col(x, band)           fits in the cache
        z[band] = columns @ kernel
"""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.numba.convolution.case import ConvCase, Epilogue
from tinyconv.backends.numba.convolution.columns import (
    col2im_kernel,
    columns_of,
    im2col_kernel,
    steps,
)
from tinyconv.backends.numba.convolution.epilogue import finish
from tinyconv.backends.numba.threads import for_each, thread_count
from tinyconv.backends.numba.workspace import empty, scratch
from tinyconv.backends.numpy.convolution import group_slices
from tinyconv.geometry import Window

BAND_BYTES = 1 << 20  # columns of one band, about a core's second-level cache
BAND_ROWS = 512  # but at least as many: BLAS rearranges the kernel for every product


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
    bands = _bands(N * OH, _band_height(OW, len(matrix) * x.itemsize))

    def work(index: int) -> None:
        first, last = bands[index]
        columns = columns_of(x, window, first, last)
        np.matmul(columns, matrix, out=rows[first * OW : last * OW])

    for_each(work, len(bands))
    return z


def _kernel_gradient(x: Array, dz: Array, window: Window) -> Array:
    """dkernel = sum over bands of im2col(x)[band]^T @ dz[band].

    Each share of the bands has a sum of its own, always of the same bands in the
    same order: the result does not depend on which thread was faster.
    """
    x, rows = np.ascontiguousarray(x), _as_matrix(np.ascontiguousarray(dz))
    (C, F), (OH, OW) = (x.shape[3], dz.shape[3]), window.output
    K = window.size[0] * window.size[1] * C
    bands = _bands(x.shape[0] * OH, _band_height(OW, K * x.itemsize))
    shares = max(1, min(thread_count(), len(bands)))
    partial = empty((shares, K, F), x.dtype)

    def work(share: int) -> None:
        total = partial[share]
        total[...] = 0
        product = empty((K, F), x.dtype)
        for index in range(share * len(bands) // shares, (share + 1) * len(bands) // shares):
            first, last = bands[index]
            columns = columns_of(x, window, first, last)
            # Not np.matmul, which keeps the GIL if its result has few numbers.
            np.dot(columns.T, rows[first * OW : last * OW], out=product)
            total += product

    for_each(work, shares)
    return np.asarray(partial.sum(axis=0).reshape(*window.size, C, F))


def _input_gradient(dz: Array, kernel: Array, window: Window) -> Array:
    """dx[band] = col2im(dz @ kernel^T), for the rows of dz that see the band.

    Here a band is some rows of the input. Neighbouring bands need some rows of dz
    twice, so a band is at least four times as high as that overlap.
    """
    dz, matrix = np.ascontiguousarray(dz), _as_matrix(kernel)
    (N, OH, OW, _), (H, W), C = dz.shape, window.input, kernel.shape[2]
    transposed = np.ascontiguousarray(matrix.T)
    dx = empty((N, H, W, C), dz.dtype)
    SH, top = window.strides[0], window.padding[0][0]
    reach = (window.size[0] - 1) * window.dilation[0]
    height = min(H, max(SH * _band_height(OW, len(matrix) * dz.itemsize), 4 * reach))
    together = max(1, BAND_ROWS // (OH * OW)) if height == H else 1  # whole small images
    per_image = -(-H // height)

    def work(index: int) -> None:
        n, band = index // per_image * together, index % per_image
        h_first, h_last = band * height, min((band + 1) * height, H)
        # Tap k of output row i sees input row h = i*SH + k*DH - top.
        i_first = max(0, -(-(h_first + top - reach) // SH))
        i_last = max(i_first, min(OH, (h_last - 1 + top) // SH + 1))
        seen = _as_matrix(dz[n : n + together, i_first:i_last])
        columns = scratch((len(seen), len(matrix)), dz.dtype)
        np.matmul(seen, transposed, out=columns)
        step = (i_last - i_first) * OW
        for image in range(n, min(n + together, N)):
            own = columns[(image - n) * step : (image - n + 1) * step]
            col2im_kernel(own, dx[image], i_first, h_first, h_last, OW, *steps(window))

    for_each(work, -(-N // together) * per_image)
    return dx


# ---- columns of a whole batch: the backend's own operations -------------------------------


def im2col(x: Array, window: Window) -> Array:
    """As the textbook's, a band of output rows at a time."""
    x = np.ascontiguousarray(x)
    (N, _, _, C), (OH, OW) = x.shape, window.output
    columns = empty((N * OH * OW, window.size[0] * window.size[1] * C), x.dtype)
    bands = _bands(N * OH, _band_height(OW, columns.shape[1] * x.itemsize))

    def work(index: int) -> None:
        first, last = bands[index]
        band = columns[first * OW : last * OW]
        im2col_kernel(x, band, first, last, *window.output, *steps(window))

    for_each(work, len(bands))
    return columns


def col2im(columns: Array, window: Window) -> Array:
    """Each image gathers its own."""
    columns = np.ascontiguousarray(columns)
    (H, W), (OH, OW) = window.input, window.output
    C = columns.shape[1] // (window.size[0] * window.size[1])
    N = columns.shape[0] // (OH * OW)
    dx = empty((N, H, W, C), columns.dtype)

    def work(n: int) -> None:
        image = columns[n * OH * OW : (n + 1) * OH * OW]
        col2im_kernel(image, dx[n], 0, 0, H, OW, *steps(window))

    for_each(work, N)
    return dx


def _band_height(OW: int, column_bytes: int) -> int:
    """Output rows to do at a time."""
    return max(1, BAND_BYTES // max(1, OW * column_bytes), BAND_ROWS // OW)


def _bands(rows: int, height: int) -> list[tuple[int, int]]:
    """Cut rows into (first, last) bands of about that height, as many for every thread."""
    threads = thread_count()
    count = min(rows, -(-rows // (height * threads)) * threads)
    return [(b * rows // count, (b + 1) * rows // count) for b in range(count)]


def _as_matrix(array: Array) -> Array:
    """(..., F) -> (rows, F)."""
    return np.ascontiguousarray(array).reshape(-1, array.shape[-1])
