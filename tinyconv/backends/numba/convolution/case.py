"""What a convolution algorithm is asked to do: the contract between the mixin and the algorithms.

Each algorithm is a module of this package with four functions:

    reason_against(case) -> str | None                  why it cannot do this case, or None
    forward(x, kernel, window, groups, epilogue) -> (y, codes | None)
    input_gradient(dz, kernel, window, groups) -> dx
    kernel_gradient(x, dz, window, groups) -> dkernel

Arrays are contiguous; results are new.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.geometry import Window

SHUT = 4  # the code of a pooled value whose ReLU is shut


class ConvCase(NamedTuple):
    """The shape of one convolution, all that an algorithm is chosen by.

    Attributes:
        batch: number of images, N.
        window: how the kernel slides over the image; knows H, W, OH, OW.
        channels, filters: C and F, of all groups together.
        groups: slices of the channels and filters that see only each other.
        dtype: float32 or float64.
        operation: "forward", "dx" or "dkernel".
    """

    batch: int
    window: Window
    channels: int
    filters: int
    groups: int
    dtype: np.dtype
    operation: str = "forward"


class Epilogue(NamedTuple):
    """What a forward pass does besides the sum: y = max_pool(relu(z + bias)).

    Attributes:
        bias: (F,), or None.
        relu: y = max(y, 0); NaN stays NaN.
        pool: the maximum of 2x2 pixels, stride 2, "valid": (OH, OW) -> (OH // 2, OW // 2).
        codes: with `pool`, write where the maximum was: uint8 of the shape of y, the tap
            2*row + column of the first maximum, or SHUT where ReLU cut it off.
        changing: the kernel is about to change, as in training: keep nothing made of it.
    """

    bias: Array | None = None
    relu: bool = False
    pool: bool = False
    codes: bool = False
    changing: bool = False


PLAIN = Epilogue()
