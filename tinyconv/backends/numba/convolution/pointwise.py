"""1x1 convolution: every pixel is a row of a plain matrix product.

    z (N*H*W, F) = x (N*H*W, C) @ kernel (C, F)

    dkernel = x^T @ dz          dx = dz @ kernel^T

With strides the pixels that are seen are gathered first, and dx is zero between them.
"""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.numba.convolution.case import ConvCase, Epilogue
from tinyconv.backends.numba.convolution.epilogue import finish
from tinyconv.backends.numba.gemm import matmul
from tinyconv.backends.numba.workspace import empty
from tinyconv.geometry import Window


def reason_against(case: ConvCase) -> str | None:
    """It is for windows of one pixel, without padding and groups."""
    if case.window.size != (1, 1):
        return f"{case.window.size[0]}x{case.window.size[1]} window, not 1x1"
    if case.window.padding != ((0, 0), (0, 0)):
        return "padded"
    return "several groups" if case.groups > 1 else None


def forward(
    x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
) -> tuple[Array, Array | None]:
    """y = epilogue(x @ kernel)."""
    shape = (len(x), *window.output, kernel.shape[3])
    rows, matrix = _rows(x, window), kernel.reshape(kernel.shape[2:])
    if epilogue.pool:
        return finish(matmul(rows, matrix).reshape(shape), epilogue)
    return matmul(rows, matrix, epilogue.bias, epilogue.relu).reshape(shape), None


def forward_add(
    x: Array, kernel: Array, bias: Array | None, other: Array, window: Window, relu: bool
) -> Array:
    """y = relu(x @ kernel + bias + other)."""
    rows, matrix = _rows(x, window), kernel.reshape(kernel.shape[2:])
    return matmul(rows, matrix, bias, relu, plus=other.reshape(len(rows), -1)).reshape(other.shape)


def input_gradient(dz: Array, kernel: Array, window: Window, groups: int) -> Array:
    """dx = dz @ kernel^T, zero where nobody looked."""
    (N, OH, OW, F), C, (SH, SW) = dz.shape, kernel.shape[2], window.strides
    seen = matmul(dz.reshape(-1, F), kernel.reshape(C, F).T).reshape(N, OH, OW, C)
    if window.input == window.output:
        return seen
    dx = empty((N, *window.input, C), dz.dtype)
    dx[...] = 0
    dx[:, : OH * SH : SH, : OW * SW : SW] = seen
    return dx


def kernel_gradient(x: Array, dz: Array, window: Window, groups: int) -> Array:
    """dkernel = x^T @ dz."""
    C, F = x.shape[3], dz.shape[3]
    return matmul(_rows(x, window).T, dz.reshape(-1, F)).reshape(1, 1, C, F)


def _rows(x: Array, window: Window) -> Array:
    """The pixels that are seen, (N * OH * OW, C)."""
    (OH, OW), (SH, SW) = window.output, window.strides
    if window.input == window.output:
        return x.reshape(-1, x.shape[3])
    seen = empty((len(x), OH, OW, x.shape[3]), x.dtype)
    np.copyto(seen, x[:, : OH * SH : SH, : OW * SW : SW])
    return seen.reshape(-1, x.shape[3])
