"""Convolution by columns: a kernel moves the data, BLAS multiplies. The one to learn from.

    columns = im2col(x)          z = columns @ kernel
    dkernel = columns^T @ dz     dx = col2im(dz @ kernel^T)

The columns of a whole batch are KH*KW times as large as x and would go out to memory and
come back. So some windows are done at a time, as many as stay in the cache between the
multiprocessors and the memory:

    for each band of windows:
        columns = im2col(x, band)
        z[band] = columns @ kernel
"""

from __future__ import annotations

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.convolution.case import ConvCase, Epilogue
from tinyconv.backends.cuda.convolution.epilogue import finish, laned
from tinyconv.backends.cuda.device import Device
from tinyconv.backends.numpy.convolution import group_slices
from tinyconv.geometry import Window

LEAST_ROWS = 1024  # of a band: BLAS needs some to fill the device


def reason_against(case: ConvCase) -> str | None:
    """None: any stride, padding, dilation and groups."""
    return None


def forward(
    device: Device, x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
) -> tuple[Array, Array | None]:
    """z = im2col(x) @ kernel, then the epilogue in a pass of its own."""
    F = kernel.shape[3]
    if groups == 1:
        return finish(device, _product(device, x, kernel, window), epilogue)
    z = device.xp.empty((len(x), *window.output, F), x.dtype)
    for channels, filters in group_slices(groups, x.shape[3], F):
        z[..., filters] = _product(device, x[..., channels], kernel[..., filters], window)
    return finish(device, z, epilogue)


def input_gradient(device: Device, dz: Array, kernel: Array, window: Window, groups: int) -> Array:
    """dx = col2im(dz @ kernel^T)."""
    if groups == 1:
        return _input_gradient(device, dz, kernel, window)
    C, F = kernel.shape[2] * groups, kernel.shape[3]
    dx = device.xp.empty((len(dz), *window.input, C), dz.dtype)
    for channels, filters in group_slices(groups, C, F):
        dx[..., channels] = _input_gradient(device, dz[..., filters], kernel[..., filters], window)
    return dx


def kernel_gradient(device: Device, x: Array, dz: Array, window: Window, groups: int) -> Array:
    """dkernel = im2col(x)^T @ dz."""
    if groups == 1:
        return _kernel_gradient(device, x, dz, window)
    C, F = x.shape[3], dz.shape[3]
    dkernel = device.xp.empty((*window.size, C // groups, F), x.dtype)
    for channels, filters in group_slices(groups, C, F):
        dkernel[..., filters] = _kernel_gradient(device, x[..., channels], dz[..., filters], window)
    return dkernel


# ---- one group ----------------------------------------------------------------------


def _product(device: Device, x: Array, kernel: Array, window: Window) -> Array:
    """z[band] = im2col(x)[band] @ kernel."""
    x, matrix = device.xp.ascontiguousarray(x), _as_matrix(device, kernel)
    z = device.xp.empty((len(x), *window.output, kernel.shape[3]), x.dtype)
    rows = z.reshape(-1, z.shape[3])
    for first, last in _bands(device, len(rows), len(matrix) * x.itemsize):
        device.matmul(columns_of(device, x, window, first, last), matrix, out=rows[first:last])
    return z


def _input_gradient(device: Device, dz: Array, kernel: Array, window: Window) -> Array:
    """dx = col2im(dz @ kernel^T), some whole images at a time: bands would overlap."""
    matrix, (OH, OW) = _as_matrix(device, kernel), window.output
    dz = device.xp.ascontiguousarray(dz)
    dx = device.xp.empty((len(dz), *window.input, kernel.shape[2]), dz.dtype)
    images = max(1, _band_rows(device, len(matrix) * dz.itemsize) // (OH * OW))
    for first in range(0, len(dz), images):
        rows = dz[first : first + images].reshape(-1, dz.shape[3])
        _gather(device, device.matmul(rows, matrix.T), dx[first : first + images], window)
    return dx


def _kernel_gradient(device: Device, x: Array, dz: Array, window: Window) -> Array:
    """dkernel = sum over bands of im2col(x)[band]^T @ dz[band]."""
    x, rows = device.xp.ascontiguousarray(x), _as_matrix(device, dz)
    C, F = x.shape[3], dz.shape[3]
    K = window.size[0] * window.size[1] * C
    dkernel = None
    for first, last in _bands(device, len(rows), K * x.itemsize):
        columns = columns_of(device, x, window, first, last)
        product = device.matmul(columns.T, rows[first:last])
        dkernel = product if dkernel is None else dkernel.__iadd__(product)
    assert dkernel is not None
    return dkernel.reshape(*window.size, C, F)


# ---- columns --------------------------------------------------------------------------


def columns_of(device: Device, x: Array, window: Window, first: int, last: int) -> Array:
    """im2col of the windows from first to last - 1, counted over the batch."""
    C, (KH, KW) = x.shape[3], window.size
    columns: Array = device.xp.empty((last - first, KH * KW * C), x.dtype)
    name, count = laned(device, "im2col:im2col", C, columns, x)
    device.launch(
        name, x.dtype, count, x, columns, first, *window.input, C, *steps(window), *window.output
    )
    return columns


def im2col(device: Device, x: Array, window: Window) -> Array:
    """All windows: (N, H, W, C) -> (N * OH * OW, KH * KW * C)."""
    OH, OW = window.output
    return columns_of(device, device.xp.ascontiguousarray(x), window, 0, len(x) * OH * OW)


def col2im(device: Device, columns: Array, window: Window) -> Array:
    """The adjoint of im2col."""
    (OH, OW), (KH, KW) = window.output, window.size
    shape = (len(columns) // (OH * OW), *window.input, columns.shape[1] // (KH * KW))
    dx: Array = device.xp.empty(shape, columns.dtype)
    _gather(device, device.xp.ascontiguousarray(columns), dx, window)
    return dx


def _gather(device: Device, columns: Array, dx: Array, window: Window) -> None:
    _, H, W, C = dx.shape
    name, count = laned(device, "im2col:col2im", C, dx, columns)
    device.launch(
        name, dx.dtype, count, columns, dx, H, W, C, *steps(window), *window.output
    )  # fmt: skip


def steps(window: Window) -> tuple[int, ...]:
    """KH, KW, SH, SW, DH, DW, top, left: plain ints for the kernels."""
    (top, _), (left, _) = window.padding
    return (*window.size, *window.strides, *window.dilation, top, left)


def _bands(device: Device, rows: int, row_bytes: int) -> list[tuple[int, int]]:
    """Cut the rows into (first, last) bands."""
    height = _band_rows(device, row_bytes)
    return [(first, min(first + height, rows)) for first in range(0, rows, height)]


def _band_rows(device: Device, row_bytes: int) -> int:
    """Rows whose columns fill half of the cache."""
    return max(LEAST_ROWS, device.properties.l2_bytes // 2 // row_bytes)


def _as_matrix(device: Device, array: Array) -> Array:
    """(..., F) -> (rows, F)."""
    matrix: Array = device.xp.ascontiguousarray(array).reshape(-1, array.shape[-1])
    return matrix
