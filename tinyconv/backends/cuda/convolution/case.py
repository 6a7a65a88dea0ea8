"""What a convolution algorithm is asked to do: the contract between the mixin and the algorithms.

Each algorithm is a module of this package (or an object) with four functions:

    reason_against(case) -> str | None                          why it cannot do it, or None
    forward(device, x, kernel, window, groups, epilogue) -> (y, codes | None)
    input_gradient(device, dz, kernel, window, groups) -> dx
    kernel_gradient(device, x, dz, window, groups) -> dkernel

and may have one more, which computes dbias = sum of dz on the way:

    parameter_gradients(device, x, dz, window, groups) -> (dkernel, dbias)

Arrays are contiguous and hold at least one number; results are new.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.geometry import Window

SHUT = 4  # the code of a pooled value whose ReLU is shut; the same in kernels/epilogue.cuh


class ConvCase(NamedTuple):
    """The shape of one convolution, all that an algorithm is chosen by.

    Attributes:
        batch: number of images, N.
        window: how the kernel slides over the image; knows H, W, OH, OW.
        channels, filters: C and F, of all groups together.
        groups: slices of the channels and filters that see only each other.
        dtype: float32 or float64.
        operation: "forward", "dx" or "dkernel".
        tf32: BLAS may round the factors of its products of float32.
    """

    batch: int
    window: Window
    channels: int
    filters: int
    groups: int
    dtype: np.dtype[Any]
    operation: str = "forward"
    tf32: bool = False


class Epilogue(NamedTuple):
    """What happens to z before it is written: y = max_pool(relu(z + bias)).

    Attributes:
        bias: (F,), or None.
        relu: y = max(y, 0); NaN stays NaN.
        pool: the maximum of 2x2 pixels, stride 2, "valid": (OH, OW) -> (OH // 2, OW // 2).
        codes: with `pool`, write where the maximum was: uint8 of the shape of y, the tap
            2*row + column of the first maximum, or SHUT where ReLU cut it off.
    """

    bias: Array | None = None
    relu: bool = False
    pool: bool = False
    codes: bool = False


PLAIN = Epilogue()
