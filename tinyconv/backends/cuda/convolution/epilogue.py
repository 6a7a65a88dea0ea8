"""What follows a convolution, in passes of its own, and the way back through a pooled block.

    y = max_pool(relu(z + bias))          each of the three may be missing

What the way back needs of a pooled block is one byte a pooled value, its code: the tap
0..3 of the (first) maximum, or SHUT where ReLU let nothing through.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.convolution.case import Epilogue
from tinyconv.backends.cuda.device import Device


def results(
    device: Device, shape: tuple[int, ...], epilogue: Epilogue, dtype: Any
) -> tuple[Array, Array | None]:
    """Memory for y, where z would have that shape, and for codes, if they are wanted."""
    if epilogue.pool:
        shape = (shape[0], shape[1] // 2, shape[2] // 2, shape[3])
    codes = device.xp.empty(shape, np.uint8) if epilogue.codes else None
    return device.xp.empty(shape, dtype), codes


def whole_vectors(device: Device, lengths: tuple[int, ...], *arrays: Array) -> bool:
    """Whether rows of all these lengths can be read and written 16 bytes at a time."""
    return all(device.lanes(length, *arrays) > 1 for length in lengths)


def finish(device: Device, z: Array, epilogue: Epilogue) -> tuple[Array, Array | None]:
    """y and codes from z, for algorithms that do not include it; z may be overwritten."""
    bias, relu, pool, _ = epilogue
    if bias is None and not relu and not pool:
        return z, None
    F = z.shape[3]
    bias = None if bias is None else device.xp.ascontiguousarray(bias)
    if not pool:
        name, count = laned(device, "epilogue:finish", F, z)
        device.launch(name, z.dtype, count, z, bias, z, F, relu)
        return z, None
    y, codes = results(device, z.shape, epilogue, z.dtype)
    if y.size:
        name, count = laned(device, "epilogue:finish_pool", F, y, z)
        device.launch(name, z.dtype, count, z, bias, y, codes, *z.shape[1:], relu)
    return y, codes


def unpooled(device: Device, dy: Array, codes: Array, output: tuple[int, int]) -> Array:
    """The way back through pool, ReLU and bias: dy -> dz (N, OH, OW, F)."""
    dy = device.xp.ascontiguousarray(dy)
    (N, _, _, F), (OH, OW) = dy.shape, output
    dz: Array = device.xp.empty((N, OH, OW, F), dy.dtype)
    lanes = device.lanes(F, dy, dz)
    device.launch(
        f"epilogue:unpool{'_vector' if lanes > 1 else ''}", dy.dtype,
        N * -(-OH // 2) * -(-OW // 2) * F // lanes, dy, codes, dz, OH, OW, F,
    )  # fmt: skip
    return dz


def bias_gradient(device: Device, dy: Array, codes: Array) -> Array:
    """dbias (F,), the sum of dz, from dy behind a pool: a quarter of what dz is."""
    dy = device.xp.ascontiguousarray(dy)
    F = dy.shape[3]
    windows, across = dy.size // F, -(-F // 32)
    # No more blocks than run at the same time: each leaves a row to add up.
    resident = device.properties.multiprocessors * (device.properties.threads // 256)
    blocks = max(1, min(-(-windows // 8), resident // across))
    partial = device.xp.empty((blocks, F), dy.dtype)
    device.launch_blocks(
        "epilogue:open_sums", dy.dtype, (blocks, across), (32, 8), dy, codes, partial, windows, F
    )
    return total(device, partial)


def total(device: Device, partial: Array) -> Array:
    """The sum over the first axis, always in the same order."""
    rows, *shape = partial.shape
    sums: Array = device.xp.empty(shape, partial.dtype)
    sharing = min(32, 1 << (rows - 1).bit_length())  # threads
    device.launch_blocks(
        "kernel_gradient:total", partial.dtype, -(-sums.size // 32), (32, sharing), partial, sums,
        rows, sums.size,
    )  # fmt: skip
    return sums


def laned(device: Device, kernel: str, length: int, *arrays: Array) -> tuple[str, int]:
    """The kernel that does a whole vector in a thread, if it can, and the threads needed.

    arrays: what is read and written, in rows of `length`; each thread has its part of the first.
    """
    lanes = device.lanes(length, *arrays)
    return f"{kernel}_vector" if lanes > 1 else kernel, arrays[0].size // lanes
