"""1x1 convolution: every pixel is a row of a plain matrix product.

    z (N*H*W, F) = x (N*H*W, C) @ kernel (C, F)

    dkernel = x^T @ dz          dx = dz @ kernel^T

With strides the pixels that are seen are gathered first, and dx is zero between them.
"""

from __future__ import annotations

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.convolution.case import ConvCase, Epilogue
from tinyconv.backends.cuda.convolution.epilogue import finish
from tinyconv.backends.cuda.device import Device
from tinyconv.geometry import Window


def reason_against(case: ConvCase) -> str | None:
    """It is for windows of one pixel, without padding and groups."""
    if case.window.size != (1, 1):
        return f"{case.window.size[0]}x{case.window.size[1]} window, not 1x1"
    if case.window.padding != ((0, 0), (0, 0)):
        return "padded"
    return "several groups" if case.groups > 1 else None


def forward(
    device: Device, x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
) -> tuple[Array, Array | None]:
    """y = epilogue(x @ kernel)."""
    C, F = kernel.shape[2:]
    z = device.matmul(_rows(device, x, window), kernel.reshape(C, F))
    return finish(device, z.reshape(len(x), *window.output, F), epilogue)


def input_gradient(device: Device, dz: Array, kernel: Array, window: Window, groups: int) -> Array:
    """dx = dz @ kernel^T, zero where nobody looked."""
    (N, OH, OW, F), C, (SH, SW) = dz.shape, kernel.shape[2], window.strides
    seen = device.matmul(dz.reshape(-1, F), kernel.reshape(C, F).T).reshape(N, OH, OW, C)
    if window.input == window.output:
        return seen
    dx: Array = device.xp.zeros((N, *window.input, C), dz.dtype)
    dx[:, : OH * SH : SH, : OW * SW : SW] = seen
    return dx


def kernel_gradient(device: Device, x: Array, dz: Array, window: Window, groups: int) -> Array:
    """dkernel = x^T @ dz."""
    C, F = x.shape[3], dz.shape[3]
    product = device.matmul(_rows(device, x, window).T, dz.reshape(-1, F))
    return product.reshape(1, 1, C, F)


def _rows(device: Device, x: Array, window: Window) -> Array:
    """The pixels that are seen, (N * OH * OW, C)."""
    (OH, OW), (SH, SW) = window.output, window.strides
    if window.input != window.output:
        x = device.xp.ascontiguousarray(x[:, : OH * SH : SH, : OW * SW : SW])
    return x.reshape(-1, x.shape[3])
