"""Winograd's convolution: 3x3 windows with fewer multiplications than they have taps.

F(m x m, 3 x 3) computes a tile of m x m outputs with (m + 2)^2 products in place of 9 m^2
(Lavin, Gray 2016, "Fast algorithms for convolutional neural networks"):

    Y = A^T [ (G g G^T) * (B^T d B) ] A

With channels and filters the products of elements become a product of matrices for each
of the (m + 2)^2 places, called taps, of the transformed tile:

    V = input(x)  (taps, tiles, C)    U = expand(kernel)  (taps, C, F)    y = output(V @ U)

The gradient of the input is itself such a convolution, with the flipped kernel; that of the
kernel is the formula read backwards:

    dU[tap] = V[tap]^T @ spread(dz)[tap],    dkernel = reduce(dU)

BLAS multiplies; the transforms are kernels/winograd.cu, which also has bias, ReLU and pool.
Some tiles are done at a time, so that V and the products stay in the cache between the
multiprocessors and the memory if they can.

What it costs: rounding. Numbers are added that cancel later; relative to the largest value
of the result the error in float32 stays below ERROR. For the same reason NaN or infinity
in one pixel spoils every output of the tiles that look at it, a few pixels more than the
plain sum's 3x3.

`F2` and `F4` are the two algorithms, each with the four functions of case.py.
"""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.convolution import implicit_gemm
from tinyconv.backends.cuda.convolution.case import PLAIN, ConvCase, Epilogue
from tinyconv.backends.cuda.convolution.epilogue import results
from tinyconv.backends.cuda.device import Device
from tinyconv.geometry import Window, slide

# Largest error in float32, relative to the largest value of the result, by m.
ERROR = {2: 5e-6, 4: 2e-5}

LEAST_TILES = 1024  # at a time: BLAS needs some rows to fill the device
GRADIENT_BYTES = 1 << 28  # of tiles at a time in the gradient of the kernel: each adds up all of dU


class Winograd:
    """F(m x m, 3x3), as a convolution algorithm."""

    def __init__(self, m: int) -> None:
        self.m, self.taps = m, (m + 2) ** 2

    def reason_against(self, case: ConvCase) -> str | None:
        """Why this algorithm cannot do the case, or None."""
        window = case.window
        if window.size != (3, 3):
            return f"{window.size[0]}x{window.size[1]} window, not 3x3"
        if window.strides != (1, 1):
            return "stride greater than 1"
        if window.dilation != (1, 1):
            return "dilated"
        if case.tf32 and case.dtype == np.float32:
            return "TF32 was asked for, and stacks of products are not computed in it"
        return "several groups" if case.groups > 1 else None

    def cost(self, case: ConvCase) -> int:
        """Products a channel and filter, to be compared between tile sizes."""
        height, width = case.window.input if case.operation == "dx" else case.window.output
        return self.taps * case.batch * -(-height // self.m) * -(-width // self.m)

    # ---- the operations -----------------------------------------------------

    def forward(
        self, device: Device, x: Array, kernel: Array, window: Window, groups: int,
        epilogue: Epilogue,
    ) -> tuple[Array, Array | None]:  # fmt: skip
        """x (N, H, W, C), kernel (3, 3, C, F) -> y (N, OH, OW, F) or half of that, and codes."""
        C, F = kernel.shape[2:]
        U = self._transformed(device, kernel, C, F, False)
        y, codes = results(device, (len(x), *window.output, F), epilogue, x.dtype)
        if y.size:
            (top, _), (left, _) = window.padding
            self._convolve(device, x, U, y, codes, window.output, (top, left), epilogue)
        return y, codes

    def input_gradient(
        self, device: Device, dz: Array, kernel: Array, window: Window, groups: int
    ) -> Array:
        """dz (N, OH, OW, F) -> dx (N, H, W, C): dz convolved with the flipped kernel."""
        C, F = kernel.shape[2:]
        U = self._transformed(device, kernel, F, C, True)
        dx: Array = device.xp.empty((len(dz), *window.input, C), dz.dtype)
        (top, _), (left, _) = window.padding
        self._convolve(device, dz, U, dx, None, window.input, (2 - top, 2 - left), PLAIN)
        return dx

    def kernel_gradient(
        self, device: Device, x: Array, dz: Array, window: Window, groups: int
    ) -> Array:
        """x (N, H, W, C), dz (N, OH, OW, F) -> dkernel (3, 3, C, F).

        The products are a 1x1 convolution's: a tile is a pixel, a tap is a group.
        """
        xp, m, taps, dtype = device.xp, self.m, self.taps, x.dtype
        (N, H, W, C), F, ((top, _), (left, _)) = x.shape, dz.shape[3], window.padding
        rows, cols = self._tiles(window.output)
        tiles = N * rows * cols
        most = max(1, GRADIENT_BYTES // (taps * (C + F) * dtype.itemsize))
        dU = None
        for first in range(0, tiles, most):
            count = min(most, tiles - first)
            V = xp.empty((1, 1, count, taps * C), dtype)
            Z = xp.empty((1, 1, count, taps * F), dtype)
            device.launch(
                f"winograd:input_{m}", dtype, count * C, x, V, first, H, W, C, top, left, rows,
                cols, True,
            )  # fmt: skip
            device.launch(
                f"winograd:spread_{m}", dtype, count * F, dz, Z, first, *window.output, F, rows,
                cols,
            )  # fmt: skip
            line = slide((1, count), (1, 1), (1, 1), "valid")
            product = implicit_gemm.kernel_gradient(device, V, Z, line, taps)
            dU = product if dU is None else dU.__iadd__(product)
        dkernel: Array = xp.empty((3, 3, C, F), dtype)
        device.launch(f"winograd:reduce_{m}", dtype, C * F, dU, dkernel, F)
        return dkernel

    # ---- pieces ---------------------------------------------------------------

    def _tiles(self, output: tuple[int, int]) -> tuple[int, int]:
        return -(-output[0] // self.m), -(-output[1] // self.m)

    def _transformed(self, device: Device, kernel: Array, C: int, F: int, exchanged: bool) -> Array:
        """U (taps, C, F); `exchanged`: of the flipped kernel (3, 3, F, C)."""
        U: Array = device.xp.empty((self.taps, C, F), kernel.dtype)
        device.launch(f"winograd:expand_{self.m}", U.dtype, C * F, kernel, U, C, F, exchanged)
        return U

    def _convolve(
        self, device: Device, x: Array, U: Array, y: Array, codes: Array | None,
        output: tuple[int, int], padding: tuple[int, int], epilogue: Epilogue,
    ) -> None:  # fmt: skip
        """Fill y (and codes) with the convolution of x and a transformed kernel."""
        (N, H, W, C), F, m, dtype = x.shape, U.shape[2], self.m, x.dtype
        bias = None if epilogue.bias is None else device.xp.ascontiguousarray(epilogue.bias)
        rows, cols = self._tiles(output)
        tiles = N * rows * cols
        tile_bytes = self.taps * (C + F) * dtype.itemsize
        most = min(tiles, max(LEAST_TILES, device.properties.l2_bytes // tile_bytes))
        V_memory = device.xp.empty(self.taps * most * C, dtype)
        M_memory = device.xp.empty(self.taps * most * F, dtype)
        for first in range(0, tiles, most):
            count = min(most, tiles - first)
            V = V_memory[: self.taps * count * C].reshape(self.taps, count, C)
            M = M_memory[: self.taps * count * F].reshape(self.taps, count, F)
            device.launch(
                f"winograd:input_{m}", dtype, count * C, x, V, first, H, W, C, *padding, rows,
                cols, False,
            )  # fmt: skip
            device.matmul(V, U, out=M)
            device.launch(
                f"winograd:output_{m}", dtype, count * F, M, bias, y, codes, first, *output, F,
                rows, cols, epilogue.relu, epilogue.pool,
            )  # fmt: skip


F2, F4 = Winograd(2), Winograd(4)


def best(case: ConvCase) -> Winograd:
    """The tile size that costs less: small images waste less of a small tile."""
    return min(F4, F2, key=lambda algorithm: algorithm.cost(case))
