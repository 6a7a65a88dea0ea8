"""Dense layers: products of matrices, with bias and ReLU added while a tile is in the cache."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Activation, Array
from tinyconv.backends.numba import gemm
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.backends.numpy.fused import Activated


class Products(NumpyBackend):
    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        """See gemm.py."""
        return gemm.matmul(a, b, out=out)

    def dense_block(
        self, x: Array, kernel: Array, bias: Array | None, activation: Activation, keep: bool
    ) -> tuple[Array, Any]:
        """y = f(x @ kernel + bias), in one pass for f = relu or linear."""
        if activation.name not in ("linear", "relu"):
            return super().dense_block(x, kernel, bias, activation, keep)
        y = gemm.matmul(x, kernel, bias, activation.name == "relu")
        return y, Activated(y, activation, bias is not None) if keep else None
