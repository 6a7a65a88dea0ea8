"""Convolution as six loops, nothing else: where the way to a fast one begins.

    z[n, i, j, f] = sum over k, l, c of x[n, i+k, j+l, c] * kernel[k, l, c, f]

and the same sum read for the other two factors. x and dx have their border of zeros
already. The functions are plain Python; Numba compiles them as they stand.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


def forward(x: Array, kernel: Array, z: Array) -> None:
    """Fills z (N, OH, OW, F) from x (N, OH+KH-1, OW+KW-1, C) and kernel (KH, KW, C, F)."""
    KH, KW, C, F = kernel.shape
    N, OH, OW, F = z.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for f in range(F):
                    total = z.dtype.type(0)
                    for k in range(KH):
                        for l in range(KW):
                            for c in range(C):
                                total += x[n, i + k, j + l, c] * kernel[k, l, c, f]
                    z[n, i, j, f] = total


def dx(dz: Array, kernel: Array, dx: Array) -> None:
    """Adds to dx: a pixel gets back dz times its weight from every sum that it is in."""
    KH, KW, C, F = kernel.shape
    N, OH, OW, F = dz.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for f in range(F):
                    for k in range(KH):
                        for l in range(KW):
                            for c in range(C):
                                dx[n, i + k, j + l, c] += dz[n, i, j, f] * kernel[k, l, c, f]


def dkernel(x: Array, dz: Array, dkernel: Array) -> None:
    """Adds to dkernel: a weight gets back dz times its pixel from every sum that it is in."""
    KH, KW, C, F = dkernel.shape
    N, OH, OW, F = dz.shape
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for f in range(F):
                    for k in range(KH):
                        for l in range(KW):
                            for c in range(C):
                                dkernel[k, l, c, f] += dz[n, i, j, f] * x[n, i + k, j + l, c]
