"""Convolution of few channels, the direct sum: the first layer of a network.

A window of a grey or a colour image has few numbers, KH * KW * C, and a kernel of so few
stays in the first-level cache. What is left to save is everything around the sum:

    forward   the loops of implicit_gemm, with bias, ReLU and pool written out of the cache
    dkernel   tiles as short as a kernel row, KW * C numbers (3 for a grey image), and the
              gradient of a pooled block un-pooled in the cache, dz never written
    dx        a panel of the micro-kernel would have one to four columns of 32 in use.
              So the other way round: dz @ kernel^T, KH * KW * C columns, and col2im
"""

from __future__ import annotations

from tinyconv.backends.numba.convolution.case import ConvCase
from tinyconv.backends.numba.convolution.im2col import input_gradient
from tinyconv.backends.numba.convolution.implicit_gemm import (
    block_gradient,
    forward,
    kernel_gradient,
)

__all__ = ["block_gradient", "forward", "input_gradient", "kernel_gradient", "reason_against"]

FEW = 4  # channels


def reason_against(case: ConvCase) -> str | None:
    """It is for up to FEW channels in one group."""
    if case.groups > 1:
        return "several groups"
    return f"{case.channels} channels are not few" if case.channels > FEW else None
