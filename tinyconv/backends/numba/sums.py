"""The sum of two branches, and ReLU with it, in one pass."""

from __future__ import annotations

from typing import Any

from numba import prange

from tinyconv.backends.base import Activation, Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy.fused import Activated, Fused

PIECE = 1 << 12  # numbers that a thread adds in one go


def add_loops(a: Array, b: Array, y: Array, relu: bool) -> None:
    """y = a + b or max(0, a + b), all flat."""
    zero = y.dtype.type(0)
    for piece in prange((y.size + PIECE - 1) // PIECE):
        first, last = piece * PIECE, min(y.size, (piece + 1) * PIECE)
        own_a, own_b, own_y = a[first:last], b[first:last], y[first:last]
        if relu:
            for i in range(own_y.size):
                total = own_a[i] + own_b[i]
                own_y[i] = zero if total < zero else total  # NaN stays NaN
        else:
            for i in range(own_y.size):
                own_y[i] = own_a[i] + own_b[i]


add_kernel = jit_parallel(add_loops)


class Sums(Fused):
    def add_block(
        self, a: Array, b: Array, activation: Activation, keep: bool
    ) -> tuple[Array, Any]:
        """Linear and ReLU of equal shapes in one pass; all else one after the other."""
        alike = a.shape == b.shape and a.flags.c_contiguous and b.flags.c_contiguous
        if not alike or activation.name not in ("linear", "relu"):
            return super().add_block(a, b, activation, keep)
        y = empty(a.shape, a.dtype)
        add_kernel(a.reshape(-1), b.reshape(-1), y.reshape(-1), activation.name == "relu")
        return y, Activated(y, activation, False) if keep else None
