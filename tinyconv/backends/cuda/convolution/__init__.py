"""Convolution on a GPU: several algorithms behind one contract (case.py).

    im2col           the columns written out, BLAS multiplies: the one to learn from
    implicit_gemm    the same product without the columns
    pointwise        1x1, a plain product
    winograd_2x2     3x3 with 16 products where the sum has 36
    winograd_4x4     3x3 with 36 products where the sum has 144

chooser.py says which of them does what, and why. What follows the sum, bias, ReLU and
pooling, is in epilogue.py and kernels/epilogue.cuh.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tinyconv.backends.base import Activation, Array
from tinyconv.backends.cuda.base import OnDevice
from tinyconv.backends.cuda.convolution import im2col
from tinyconv.backends.cuda.convolution.case import PLAIN, ConvCase, Epilogue
from tinyconv.backends.cuda.convolution.chooser import choose
from tinyconv.backends.cuda.convolution.epilogue import bias_gradient, results, unpooled
from tinyconv.backends.cuda.expecting import expect
from tinyconv.backends.numpy.fused import Activated, Convolved, Fused
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


class Convolution(OnDevice, Fused):
    _conv: str | None = None  # the algorithm that was asked for

    # ---- single operations ------------------------------------------------------

    def im2col(self, x: Array, window: Window) -> Array:
        """A thread copies a vector of channels, or a channel."""
        return im2col.im2col(self.device, x, window)

    def col2im(self, columns: Array, window: Window) -> Array:
        """Each pixel gathers its own copies."""
        return im2col.col2im(self.device, columns, window)

    def conv2d(self, x: Array, kernel: Array, window: Window, groups: int) -> Array:
        """z by the chosen algorithm."""
        return self._forward(x, kernel, window, groups, PLAIN)[0]

    def conv2d_input_gradient(self, dz: Array, kernel: Array, window: Window, groups: int) -> Array:
        """dx by the chosen algorithm."""
        C, F = kernel.shape[2] * groups, kernel.shape[3]
        expect("dz", dz, (len(dz), *window.output, F))
        expect("kernel", kernel, (*window.size, C // groups, F))
        if not len(dz):
            return self.xp.empty((0, *window.input, C), dz.dtype)
        algorithm = self._algorithm(dz, window, C, F, groups, "dx")
        dz, kernel = self.xp.ascontiguousarray(dz), self.xp.ascontiguousarray(kernel)
        dx: Array = algorithm.input_gradient(self.device, dz, kernel, window, groups)
        return dx

    def conv2d_kernel_gradient(self, x: Array, dz: Array, window: Window, groups: int) -> Array:
        """dkernel by the chosen algorithm."""
        C, F = x.shape[3], dz.shape[3]
        expect("x", x, (len(x), *window.input, C))
        expect("dz", dz, (len(x), *window.output, F))
        if not len(x):
            return self.xp.zeros((*window.size, C // groups, F), x.dtype)
        algorithm = self._algorithm(x, window, C, F, groups, "dkernel")
        x, dz = self.xp.ascontiguousarray(x), self.xp.ascontiguousarray(dz)
        dkernel: Array = algorithm.kernel_gradient(self.device, x, dz, window, groups)
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
        epilogue = Epilogue(bias, relu, pools, codes=keep and pools)
        y, codes = self._forward(x, kernel, window, groups, epilogue)
        if not keep:
            return y, None
        if codes is not None:
            return y, Pooled(window, groups, bias is not None, codes)
        return y, Convolved(window, groups, Activated(y, activation, bias is not None), None, None)

    def conv_block_backward(
        self, dy: Array, saved: Any, x: Array, kernel: Array, need_dx: bool, need_parameters: bool
    ) -> tuple[Array | None, Array | None, Array | None]:
        """dy -> dz, dz -> dkernel, dx; dbias with whichever of the two has it for nothing."""
        if isinstance(saved, Convolved) and saved.pool is not None:
            return super().conv_block_backward(dy, saved, x, kernel, need_dx, need_parameters)
        window, groups, *_ = saved
        with_bias = saved.with_bias if isinstance(saved, Pooled) else saved.activated.with_bias
        with_bias = with_bias and need_parameters
        algorithm = self._algorithm(x, window, x.shape[3], kernel.shape[3], groups, "dkernel")
        gradients = getattr(algorithm, "parameter_gradients", None) if with_bias else None
        alone = with_bias and gradients is None  # nobody else will add up dz
        if isinstance(saved, Pooled):
            expect("dy", dy, saved.codes.shape)
            dz = unpooled(self.device, dy, saved.codes, window.output)
            dbias = bias_gradient(self.device, dy, saved.codes) if alone else None
        else:
            kept, activation, _ = saved.activated
            dz, dbias = self.activate_backward(dy, kept, activation, alone)
        dkernel = dx = None
        if gradients is not None:
            x, dz = self.xp.ascontiguousarray(x), self.xp.ascontiguousarray(dz)
            dkernel, dbias = gradients(self.device, x, dz, window, groups)
        elif need_parameters:
            dkernel = self.conv2d_kernel_gradient(x, dz, window, groups)
        if need_dx:
            dx = self.conv2d_input_gradient(dz, kernel, window, groups)
        return dx, dkernel, dbias

    # ---- the chosen algorithm -----------------------------------------------------

    def _forward(
        self, x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
    ) -> tuple[Array, Array | None]:
        C, F = x.shape[3], kernel.shape[3]
        expect("x", x, (len(x), *window.input, kernel.shape[2] * groups))
        expect("kernel", kernel, (*window.size, C // groups, F))
        if not len(x):
            return results(self.device, (0, *window.output, F), epilogue, x.dtype)
        algorithm = self._algorithm(x, window, C, F, groups, "forward")
        x, kernel = self.xp.ascontiguousarray(x), self.xp.ascontiguousarray(kernel)
        result: tuple[Array, Array | None] = algorithm.forward(
            self.device, x, kernel, window, groups, epilogue
        )
        return result

    def _algorithm(
        self, x: Array, window: Window, channels: int, filters: int, groups: int, operation: str
    ) -> Any:
        tf32 = getattr(self.device, "tf32", False)
        case = ConvCase(len(x), window, channels, filters, groups, x.dtype, operation, tf32)
        return choose(case, self._conv).algorithm


def _is_halving(pool: Window | None) -> bool:
    """No pool, or 2x2 pixels, stride 2, nothing padded."""
    if pool is None:
        return True
    return pool.size == (2, 2) == pool.strides and pool.padding == ((0, 0), (0, 0))
