"""Winograd's convolution: 3x3 windows with fewer multiplications than they have taps.

Two outputs of a 3-tap filter, side by side, look at four inputs. Six multiplications
compute them; Winograd (1980) needs four, because additions may be done before and
after. In two dimensions F(2x2, 3x3) computes a tile of 2x2 outputs with 4x4 = 16
multiplications in place of 36, and F(4x4, 3x3) a tile of 4x4 outputs with 6x6 = 36 in
place of 144 (Lavin, Gray 2016, "Fast algorithms for convolutional neural networks"):

    Y = A^T [ (G g G^T) * (B^T d B) ] A

d is the (m+2) x (m+2) tile of the image that the m x m outputs Y look at, g the 3x3
kernel, * the product of corresponding elements. A, B and G hold a few small numbers
(tile_transforms.py). With C channels and F filters everything inside [ ] is summed
over the channels, and so the (m+2)^2 products of elements become as many products of
matrices, one for each place (called tap) of the transformed tile:

    image --B^T d B-->  V[tap] (tiles, C)  \\
                                             M[tap] = V[tap] @ U[tap] (tiles, F)  --A^T M A-->  y
    kernel --G g G^T--> U[tap] (C, F)      /

The backward pass is made of the same pieces. The gradient of the input is itself a
convolution with a 3x3 kernel, the flipped one, with channels and filters exchanged.
The gradient of the kernel is what the formula says, read backwards:

    dM = A dY A^T,   dU[tap] = V[tap]^T @ dM[tap],   dg = G^T dU G

What it costs: rounding. Numbers are added that cancel later, so the result is less
exact than the plain sum. Relative to the largest value of the result the error in
float32 stays below the bounds of ERROR (tests/backends/test_winograd.py measures it
against float64). For the same reason NaN or infinity in one pixel spoils every output
of the tiles that look at it, a few pixels more than the plain sum's 3x3, and numbers
within a factor of about 100 of the largest float overflow.

`F2` and `F4` are the two algorithms, each with the four functions of the contract in
case.py. winograd_kernels.py transforms and keeps kernels, winograd_loops.py and
winograd_tiles.py do the work.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.numba.convolution import winograd_kernels as kernels
from tinyconv.backends.numba.convolution.case import PLAIN, ConvCase, Epilogue
from tinyconv.backends.numba.convolution.epilogue import NO_CODES, bias_of, results
from tinyconv.backends.numba.convolution.packing import panel_width, tiled
from tinyconv.backends.numba.convolution.winograd_kernels import odd_lines
from tinyconv.backends.numba.convolution.winograd_loops import (
    PANELS,
    forward_kernel,
    kernel_gradient_kernel,
)
from tinyconv.backends.numba.convolution.winograd_tiles import CODES, NO_POOL, POOL
from tinyconv.backends.numba.microkernel import ROWS, lanes
from tinyconv.backends.numba.threads import thread_count
from tinyconv.backends.numba.workspace import empty, several
from tinyconv.geometry import Window

# Largest error in float32, relative to the largest value of the result, by m.
ERROR = {2: 5e-6, 4: 2e-5}

FEW_CHANNELS = 128  # up to which a block of tiles is short
SHORT_BYTES = 1 << 19  # transformed tiles of a short block in the gradient of the kernel,
GRADIENT_BYTES = 1 << 26  # and of long blocks, of all threads together
SUM_BYTES = 1 << 27  # sums over the tiles, of all threads together


class Tiling(NamedTuple):
    """The tiles of one convolution, and which thread does what.

    Attributes:
        rows, cols: tiles of an image.
        shares, slices: threads = shares of the tiles times slices of the filters.
    """

    rows: int
    cols: int
    shares: int
    slices: int


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
        if case.groups != 1:
            return "several groups"
        return None

    def cost(self, case: ConvCase) -> int:
        """What the case costs, to be compared between tile sizes: tap matrices times tiles.

        Transforming and reading the kernel of a tap takes as long as about 20 tiles.
        """
        height, width = case.window.input if case.operation == "dx" else case.window.output
        return self.taps * (case.batch * -(-height // self.m) * -(-width // self.m) + 20)

    # ---- the operations -----------------------------------------------------

    def forward(
        self, x: Array, kernel: Array, window: Window, groups: int, epilogue: Epilogue
    ) -> tuple[Array, Array | None]:
        """x (N, H, W, C), kernel (3, 3, C, F) -> y (N, OH, OW, F) or half of that, and codes."""
        U = kernels.transformed(kernel, self.m, keep=not epilogue.changing)
        y, codes = results((len(x), *window.output, kernel.shape[3]), epilogue, x.dtype)
        (top, _), (left, _) = window.padding
        self._convolve(x, U, y, codes, window.output, (top, left), epilogue)
        return y, codes if epilogue.codes else None

    def input_gradient(self, dz: Array, kernel: Array, window: Window, groups: int) -> Array:
        """dz (N, OH, OW, F) -> dx (N, H, W, C): dz convolved with the flipped kernel."""
        U = kernels.transform(kernel, self.m, exchanged=True)
        dx = empty((dz.shape[0], *window.input, kernel.shape[2]), dz.dtype)
        (top, _), (left, _) = window.padding
        origin = 2 - top, 2 - left
        self._convolve(dz, U, dx, NO_CODES, window.input, origin, PLAIN)
        return dx

    def kernel_gradient(self, x: Array, dz: Array, window: Window, groups: int) -> Array:
        """x (N, H, W, C), dz (N, OH, OW, F) -> dkernel (3, 3, C, F).

        Each share of the tiles has a sum of its own, and the sums are added in order:
        the same number of threads gives the same bits.
        """
        x, dz = np.ascontiguousarray(x), np.ascontiguousarray(dz)
        (N, _, _, C), F, dtype = x.shape, dz.shape[3], x.dtype
        width = panel_width(dtype)
        panels, height = -(-F // width), tiled(C)
        sum_bytes = self.taps * panels * height * width * dtype.itemsize
        tiling = self._tiling(N, window.output, panels, max(1, SUM_BYTES // sum_bytes))
        threads = tiling.shares * tiling.slices
        tiles = -(-N * tiling.rows * tiling.cols // tiling.shares)
        own = -(-panels // tiling.slices)  # panels of a thread
        v_row = odd_lines(max(C + lanes(dtype), height), dtype)
        tile_bytes = self.taps * (v_row + own * width) * dtype.itemsize
        # Blocks short enough for the cache; but each block reads and writes the sums, so
        # longer ones where these are large.
        block = min(max(sum_bytes, SHORT_BYTES), GRADIENT_BYTES // threads) // tile_bytes
        block = max(1, min(max(ROWS, block), tiles))
        span = min(block, tiling.cols)
        strip = max((self.m + 2) * (span * self.m + 2) * C, self.m * span * self.m * F)
        V, Z, strips, sums = several(
            dtype,
            (threads, self.taps, odd_lines(block * v_row, dtype)),
            (threads, self.taps, odd_lines(own * block * width, dtype)),
            (threads, odd_lines(strip + lanes(dtype), dtype)),
            (tiling.shares, self.taps, odd_lines(panels * height * width, dtype)),
        )
        (top, _), (left, _) = window.padding
        kernel_gradient_kernel(
            x, dz, sums, panels, height, V, v_row, Z, strips, self.m, top, left, *tiling, block
        )  # fmt: skip
        return kernels.gradient(sums, self.m, height, C, F)

    # ---- how the work is cut --------------------------------------------------

    def _convolve(
        self,
        x: Array,
        U: Array,
        y: Array,
        codes: Array,
        output: tuple[int, int],
        padding: tuple[int, int],
        epilogue: Epilogue,
    ) -> None:
        """Fill y (and codes) with the convolution of x and a transformed kernel."""
        x, dtype, F = np.ascontiguousarray(x), x.dtype, y.shape[3]
        C, width = x.shape[3], panel_width(dtype)
        panels = -(-F // width)
        bias, pool = bias_of(epilogue, F, dtype), NO_POOL
        if epilogue.pool:
            pool = CODES if epilogue.codes else POOL
        tiling = self._tiling(len(x), output, panels, len(x) * output[0] * output[1])
        threads = tiling.shares * tiling.slices
        tiles = -(-len(x) * tiling.rows * tiling.cols // tiling.shares)
        # A block of tiles reads all of U once: long blocks where U is large. A tile of
        # F(2x2) has less than half of the taps of one of F(4x4).
        block = ROWS * (2 if C <= FEW_CHANNELS else 4) * (2 if self.m == 2 else 1)
        block = max(1, min(block, tiled(tiles)))
        v_row, m_row = odd_lines(C + lanes(dtype), dtype), odd_lines(PANELS * width, dtype)
        strip = (self.m + 2) * (min(block, tiling.cols) * self.m + 2) * C + lanes(dtype)
        V, M, strips = several(
            dtype,
            (threads, self.taps, odd_lines(block * v_row, dtype)),
            (threads, self.taps, odd_lines(block * m_row, dtype)),
            (threads, odd_lines(strip, dtype)),
        )
        forward_kernel(
            x, U, panels, bias, y, codes, V, v_row, M, m_row, strips, self.m, *padding,
            *tiling, block, int(epilogue.relu), pool,
        )  # fmt: skip

    def _tiling(self, N: int, output: tuple[int, int], panels: int, most_shares: int) -> Tiling:
        """Threads share the tiles, a micro-kernel's height each at least, then the filters."""
        rows, cols = -(-output[0] // self.m), -(-output[1] // self.m)
        threads = thread_count()
        shares = max(1, min(threads, N * rows * cols // ROWS, most_shares))
        return Tiling(rows, cols, shares, min(threads // shares, panels))


F2, F4 = Winograd(2), Winograd(4)


def best(case: ConvCase) -> Winograd:
    """The tile size that costs less: small images and batches waste less of a small tile."""
    return min(F4, F2, key=lambda algorithm: algorithm.cost(case))
