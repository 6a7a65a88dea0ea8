"""Convolution on the CPU: several algorithms behind one contract (case.py).

    im2col           the columns written out, then a product: the one to learn from
    implicit_gemm    the same product without the columns
    direct           few channels, the first layer of a network
    pointwise        1x1, a plain product
    winograd_2x2     3x3 with 16 products where the sum has 36
    winograd_4x4     3x3 with 36 products where the sum has 144

chooser.py says which of them does what, and why. What follows the sum, bias, ReLU and
pooling, is in epilogue.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinyconv.backends.base import Activation, Array
from tinyconv.backends.numba.convolution.case import PLAIN, ConvCase, Epilogue
from tinyconv.backends.numba.convolution.chooser import check, choose
from tinyconv.backends.numba.convolution.columns import col2im, im2col
from tinyconv.backends.numba.convolution.epilogue import unpooled
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.backends.numpy.fused import Activated, Convolved
from tinyconv.geometry import Window


class Pooled(NamedTuple):
    """What a block of convolution, bias, activation and 2x2 pool keeps.

    Attributes:
        codes: where each maximum was, or that ReLU is shut; see epilogue.py.
    """

    window: Window
    groups: int
    with_bias: bool
    codes: Array


class Convolution(NumpyBackend):
    _conv: str | None = None  # the algorithm that was asked for

    def __init__(self, conv: str | None = None) -> None:
        """`conv`: an algorithm for all the cases that it can do.

        Raises:
            ValueError: for an unknown algorithm.
        """
        if conv is not None:
            check(conv)
        self._conv = conv

    # ---- single operations ------------------------------------------------------

    def im2col(self, x: Array, window: Window) -> Array:
        """As the textbook's; the rows of all images are shared out."""
        return im2col(np.ascontiguousarray(x), window, 0, len(x) * window.output[0])

    def col2im(self, columns: Array, window: Window) -> Array:
        """Each row of each image gathers its own."""
        (OH, OW), copies = window.output, np.ascontiguousarray(columns)
        return col2im(copies, len(copies) // (OH * OW), window)

    def conv2d(self, x: Array, kernel: Array, window: Window, groups: int) -> Array:
        """z by the chosen algorithm."""
        return self._forward(x, kernel, window, groups, PLAIN)[0]

    def conv2d_input_gradient(self, dz: Array, kernel: Array, window: Window, groups: int) -> Array:
        """dx by the chosen algorithm."""
        C = kernel.shape[2] * groups
        _expect("dz", dz, (len(dz), *window.output, kernel.shape[3]))
        _expect("kernel", kernel, (*window.size, C // groups, kernel.shape[3]))
        algorithm = self._algorithm(dz, window, C, kernel.shape[3], groups, "dx")
        dz, kernel = np.ascontiguousarray(dz), np.ascontiguousarray(kernel)
        dx: Array = algorithm.input_gradient(dz, kernel, window, groups)
        return dx

    def conv2d_kernel_gradient(self, x: Array, dz: Array, window: Window, groups: int) -> Array:
        """dkernel by the chosen algorithm."""
        _expect("x", x, (len(x), *window.input, x.shape[3]))
        _expect("dz", dz, (len(x), *window.output, dz.shape[3]))
        algorithm = self._algorithm(x, window, x.shape[3], dz.shape[3], groups, "dkernel")
        x, dz = np.ascontiguousarray(x), np.ascontiguousarray(dz)
        dkernel: Array = algorithm.kernel_gradient(x, dz, window, groups)
        return dkernel

    # ---- blocks -----------------------------------------------------------------

    def conv_block(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        activation: Activation,
        pool: Window | None,
        keep: bool,
    ) -> tuple[Array, Any]:
        """Linear or ReLU, and a 2x2 pool, are written with z; all else follows one by one."""
        if activation.name not in ("linear", "relu") or not _is_halving(pool):
            return super().conv_block(x, kernel, bias, window, groups, activation, pool, keep)
        relu, pools = activation.name == "relu", pool is not None
        epilogue = Epilogue(bias, relu, pools, codes=keep and pools, changing=keep)
        y, codes = self._forward(x, kernel, window, groups, epilogue)
        if not keep:
            return y, None
        if codes is not None:
            return y, Pooled(window, groups, bias is not None, codes)
        return y, Convolved(window, groups, Activated(y, activation, bias is not None), None, None)

    def conv_add(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        other: Array,
        window: Window,
        groups: int,
        activation: Activation,
    ) -> Array:
        """In one pass where the convolution is a plain product, with ReLU or linear."""
        algorithm = self._algorithm(x, window, x.shape[3], kernel.shape[3], groups, "forward")
        if activation.name not in ("linear", "relu") or not hasattr(algorithm, "forward_add"):
            return super().conv_add(x, kernel, bias, other, window, groups, activation)
        _expect("kernel", kernel, (*window.size, x.shape[3], kernel.shape[3]))
        _expect("other", other, (len(x), *window.output, kernel.shape[3]))
        x, kernel, other = (np.ascontiguousarray(each) for each in (x, kernel, other))
        y: Array = algorithm.forward_add(x, kernel, bias, other, window, activation.name == "relu")
        return y

    def conv_block_backward(
        self, dy: Array, saved: Any, x: Array, kernel: Array, need_dx: bool, need_parameters: bool
    ) -> tuple[Array | None, Array | None, Array | None]:
        """dy -> dz and dbias in one pass, then the gradients of the convolution."""
        if isinstance(saved, Convolved):
            return super().conv_block_backward(dy, saved, x, kernel, need_dx, need_parameters)
        window, groups, with_bias, codes = saved
        _expect("dy", dy, codes.shape)
        C, F = x.shape[3], kernel.shape[3]
        algorithm = self._algorithm(x, window, C, F, groups, "dkernel")
        if need_parameters and not need_dx and hasattr(algorithm, "block_gradient"):
            # Nobody else needs dz.
            x, dy = np.ascontiguousarray(x), np.ascontiguousarray(dy)
            dkernel, dbias = algorithm.block_gradient(x, dy, codes, window, groups)
            return None, dkernel, dbias if with_bias else None
        dz, dbias = unpooled(dy, codes, window.output)
        dkernel = self.conv2d_kernel_gradient(x, dz, window, groups) if need_parameters else None
        dx = self.conv2d_input_gradient(dz, kernel, window, groups) if need_dx else None
        return dx, dkernel, dbias if need_parameters and with_bias else None

    # ---- the chosen algorithm -----------------------------------------------------

    def _forward(
        self, x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
    ) -> tuple[Array, Array | None]:
        _expect("x", x, (len(x), *window.input, kernel.shape[2] * groups))
        _expect("kernel", kernel, (*window.size, *kernel.shape[2:]))
        algorithm = self._algorithm(x, window, x.shape[3], kernel.shape[3], groups, "forward")
        x, kernel = np.ascontiguousarray(x), np.ascontiguousarray(kernel)
        result: tuple[Array, Array | None] = algorithm.forward(x, kernel, window, groups, epilogue)
        return result

    def _algorithm(
        self, x: Array, window: Window, channels: int, filters: int, groups: int, operation: str
    ) -> Any:
        case = ConvCase(len(x), window, channels, filters, groups, x.dtype, operation)
        return choose(case, self._conv).algorithm


def _expect(name: str, array: Array, shape: tuple[int, ...]) -> None:
    """Kernels check nothing and would write beyond an array of another shape."""
    if array.shape != shape:
        raise ValueError(f"conv2d: expected {name} of shape {shape}. Received: shape {array.shape}")


def _is_halving(pool: Window | None) -> bool:
    """No pool, or 2x2 pixels, stride 2, nothing padded."""
    if pool is None:
        return True
    return pool.size == (2, 2) == pool.strides and pool.padding == ((0, 0), (0, 0))
