"""Which algorithm convolves: a shape in, an algorithm and the reason out.

The first rule that applies decides. The figures are measured, `python -m benchmarks conv`
shows them for every layer of the book's network, VGG16 and ResNet-50:

    1x1                       pointwise        nothing to gather, 100 % of the product counts
    few channels              direct           transforming a tile would cost more than it saves
    3x3, stride 1, float32    winograd         1.5 to 2.8 times as fast as implicit_gemm
    all else                  implicit_gemm    twice as fast as im2col, without its memory

Winograd adds before it multiplies, which costs accuracy, so float64, chosen for
accuracy's sake, never gets it unasked. im2col is never chosen: it is there to learn from
and to compare with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.choosing import Chooser
from tinyconv.backends.numba.convolution import direct, im2col, implicit_gemm, pointwise, winograd
from tinyconv.backends.numba.convolution.case import ConvCase

ALGORITHMS: dict[str, Any] = {
    "im2col": im2col,
    "implicit_gemm": implicit_gemm,
    "direct": direct,
    "pointwise": pointwise,
    "winograd_2x2": winograd.F2,
    "winograd_4x4": winograd.F4,
}

# Tiles of 2x2 outputs from which Winograd is worth transforming the kernel; the gradient of
# the kernel has sums of 16 or 36 taps to write, and needs more of them.
LEAST_TILES = {"forward": 8, "dx": 8, "dkernel": 40}


def _rule(case: ConvCase) -> tuple[str, str]:
    """Name and reason."""
    if pointwise.reason_against(case) is None:
        return "pointwise", "1x1: a plain matrix product"
    if direct.reason_against(case) is None:
        return "direct", f"{case.channels} channels: few numbers in a window"
    against = winograd.F4.reason_against(case)
    if against is not None:
        return "implicit_gemm", f"no Winograd: {against}"
    if case.dtype != np.float32:
        return "implicit_gemm", f"{case.dtype} is for accuracy, which Winograd would cost"
    height, width = case.window.input if case.operation == "dx" else case.window.output
    if case.batch * -(-height // 2) * -(-width // 2) < LEAST_TILES[case.operation]:
        return "implicit_gemm", "too few pixels for Winograd to transform the kernel for"
    m = winograd.best(case).m
    saved = 9 * m * m / (m + 2) ** 2
    return f"winograd_{m}x{m}", f"3x3: tiles of {m}x{m} need {saved:.3g} times fewer products"


_chooser = Chooser(ALGORITHMS, _rule)
check, choose = _chooser.check, _chooser.choose
