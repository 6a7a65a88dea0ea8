"""Which algorithm convolves: a shape in, an algorithm and the reason out.

The first rule that applies decides:

    1x1                      pointwise        BLAS alone, nothing to gather
    few channels             implicit_gemm    a window has little to multiply: what counts is
                                              that z is written once, after bias, ReLU and pool
    TF32 asked for           im2col           BLAS has the tensor cores, our kernels do not
    3x3, stride 1, float32   winograd         2.25 or 4 times fewer products, where the work
    and much of it                            is worth its three more passes over memory
    all else                 implicit_gemm    one launch, no columns in memory

Winograd adds before it multiplies, which costs accuracy, so float64, chosen for accuracy's
sake, never gets it unasked. The limits below follow from counting operations and bytes, not
from a measurement: `python -m benchmarks gpu` is there to correct them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.choosing import Chooser
from tinyconv.backends.cuda.convolution import im2col, implicit_gemm, pointwise, winograd
from tinyconv.backends.cuda.convolution.case import ConvCase

ALGORITHMS: dict[str, Any] = {
    "im2col": im2col,
    "implicit_gemm": implicit_gemm,
    "pointwise": pointwise,
    "winograd_2x2": winograd.F2,
    "winograd_4x4": winograd.F4,
}

FEW_CHANNELS = 4
# Per pixel and channel Winograd moves about 11 numbers through memory, and saves 9/4 to 27/4 of
# the F products: with fewer channels or filters there is nothing to gain.
LEAST_CHANNELS = 64
# Products of the plain sum, below which its launches would cost more than they save.
LEAST_PRODUCTS = 1 << 31


def _rule(case: ConvCase) -> tuple[str, str]:
    """Name and reason."""
    if pointwise.reason_against(case) is None:
        return "pointwise", "1x1: a plain matrix product"
    if case.channels <= FEW_CHANNELS:
        return "implicit_gemm", f"{case.channels} channels: few numbers in a window"
    if case.tf32 and case.dtype == np.float32 and case.groups == 1:
        return "im2col", "TF32 was asked for, and BLAS has it"
    against = winograd.F4.reason_against(case)
    if against is not None:
        return "implicit_gemm", f"no Winograd: {against}"
    if case.dtype != np.float32:
        return "implicit_gemm", f"{case.dtype} is for accuracy, which Winograd would cost"
    if min(case.channels, case.filters) < LEAST_CHANNELS:
        return "implicit_gemm", "few channels: Winograd would move more than it saves"
    OH, OW = case.window.output
    if 9 * case.batch * OH * OW * case.channels * case.filters < LEAST_PRODUCTS:
        return "implicit_gemm", "little work: one launch instead of Winograd's four"
    m = winograd.best(case).m
    saved = 9 * m * m / (m + 2) ** 2
    return f"winograd_{m}x{m}", f"3x3: tiles of {m}x{m} need {saved:.3g} times fewer products"


_chooser = Chooser(ALGORITHMS, _rule)
check, choose = _chooser.check, _chooser.choose
