"""Copies in the order in which the micro-kernel reads them, with zeros wherever it reads too far.

The micro-kernel multiplies whole tiles and checks nothing. So what it reads is laid
out for it first: kernels and gradients in panels as wide as its tile, images within
a border of zeros. That costs one pass over the data, and the product passes over it
dozens of times.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit, jit_inner, jit_parallel
from tinyconv.backends.numba.microkernel import HALF_ROWS, ROWS, VECTORS, lanes
from tinyconv.backends.numba.workspace import empty


def panel_width(dtype: np.dtype) -> int:
    """Columns of the micro-kernel's tile."""
    return VECTORS * lanes(dtype)


def tiled(length: int) -> int:
    """`length` rounded up to whole tiles: full ones, the last one half where that is enough."""
    full, rest = divmod(length, ROWS)
    return full * ROWS + (0 if rest == 0 else HALF_ROWS if rest <= HALF_ROWS else ROWS)


# ---- kernels in panels ----------------------------------------------------------


def pack_loops(kernel: Array, panels: Array, k0: int, dk: int, l0: int, dl: int) -> None:
    """panels[g, p, (k, l, c), v] = kernel[k0 + k*dk, l0 + l*dl, c, f], f = p*width + v of group g.

    panels: (groups, P, KH * KW * C // groups, width), flat but for the last two axes.
    """
    G, P, KH, KW, C, width = panels.shape
    F, row = kernel.shape[3] // G, kernel.shape[3]
    source, target = kernel.reshape(-1), panels.reshape(-1)
    zero = kernel.dtype.type(0)
    for q in prange(G * P * KH):
        g, p, k = q // (P * KH), q // KH % P, q % KH
        used = min(width, F - p * width)
        for lc in range(KW * C):
            tap = (k0 + k * dk) * kernel.shape[1] + l0 + lc // C * dl
            at, to = (tap * C + lc % C) * row + g * F + p * width, (q * KW * C + lc) * width
            seen, panel = source[at : at + used], target[to : to + width]
            for v in range(used):
                panel[v] = seen[v]
            for v in range(used, width):
                panel[v] = zero


def pack_transposed_loops(kernel: Array, panels: Array, k0: int, dk: int, l0: int, dl: int) -> None:
    """The same with channels and filters exchanged, for the gradient of the input:

    panels[g, p, (k, l, f), v] = kernel[k0 + k*dk, l0 + l*dl, c, f], c = p*width + v of group g.
    """
    G, P, KH, KW, F, width = panels.shape
    C, row = kernel.shape[2], kernel.shape[3]
    source, target = kernel.reshape(-1), panels.reshape(-1)
    zero = kernel.dtype.type(0)
    for q in prange(G * P * KH):
        g, p, k = q // (P * KH), q // KH % P, q % KH
        used = min(width, C - p * width)
        for lf in range(KW * F):
            tap = (k0 + k * dk) * kernel.shape[1] + l0 + lf // F * dl
            at, to = (tap * C + p * width) * row + g * F + lf % F, (q * KW * F + lf) * width
            seen, panel = source[at:], target[to : to + width]
            for v in range(used):
                panel[v] = seen[v * row]
            for v in range(used, width):
                panel[v] = zero


pack_kernel = jit_parallel(pack_loops)
pack_transposed_kernel = jit_parallel(pack_transposed_loops)

Taps = tuple[int, int, int]  # first, step, count: which rows (or columns) of a kernel


def panels_of(kernel: Array, groups: int, rows: Taps, cols: Taps, transposed: bool) -> Array:
    """The chosen taps of a kernel (KH, KW, C // groups, F), in panels.

    -> (groups, P, KH, KW, C // groups, width), or with F // groups where `transposed`.
    """
    kernel = np.ascontiguousarray(kernel)
    inner, outer = kernel.shape[2], kernel.shape[3] // groups
    if transposed:
        inner, outer = outer, inner
    width = panel_width(kernel.dtype)
    panels = empty((groups, -(-outer // width), rows[2], cols[2], inner, width), kernel.dtype)
    pack = pack_transposed_kernel if transposed else pack_kernel
    pack(kernel, panels, rows[0], rows[1], cols[0], cols[1])
    return panels


def clear_loops(array: Array) -> None:
    zero = array.dtype.type(0)
    for i in range(array.size):
        array[i] = zero


clear = jit(clear_loops)


# ---- images with a border ---------------------------------------------------------


def bordered_loops(x: Array, band: Array, h_first: int, left: int, rows: int, width: int) -> None:
    """band[(r, w), c] = x[h_first + r, w - left, c], zero outside of the image.

    x (H, W, C); band is flat, `rows` rows of `width` pixels. `left` may be negative.
    """
    H, W, C = x.shape
    first = min(max(0, left), width)
    last = max(first, min(width, left + W))
    for r in range(rows):
        row = band[r * width * C : (r + 1) * width * C]
        h = h_first + r
        if h < 0 or h >= H:
            clear(row)
            continue
        clear(row[: first * C])
        clear(row[last * C :])
        source = x[h, max(0, -left) :].reshape(-1)
        target = row[first * C : last * C]
        for i in range(target.size):
            target[i] = source[i]


bordered = jit_inner(bordered_loops)


def pack_pixels_loops(
    dz: Array, panels: Array, first: int, rows: int, f_first: int, F: int
) -> None:
    """panels[p, (i, j), v] = dz[first + i, j, f_first + f], f = p*width + v < F, else zero.

    dz (OH, OW, all filters); panels (P, at least rows * OW, width).
    """
    OW, (P, _, width) = dz.shape[1], panels.shape
    zero = dz.dtype.type(0)
    for i in range(rows):
        for j in range(OW):
            pixel = dz[first + i, j, f_first : f_first + F]
            for p in range(P):
                source = pixel[p * width : (p + 1) * width]
                target = panels[p, i * OW + j]
                for v in range(source.size):
                    target[v] = source[v]
                for v in range(source.size, width):
                    target[v] = zero


pack_pixels = jit_inner(pack_pixels_loops)
