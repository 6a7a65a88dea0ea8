"""Max and average pooling, forward one output row and backward one input row at a time.

Backward is written in gather form: a row of dx asks which windows have seen it, so
that no two threads ever add to the same pixel.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import jit_parallel
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import Window

# ---- kernels ----------------------------------------------------------------


def max_pool_loops(
    x: Array, y: Array, argmax: Array, KH: int, KW: int, SH: int, SW: int, top: int, left: int
) -> None:
    """y[n,i,j,c] = max over k,l of x[n, i*SH + k - top, j*SW + l - left, c].

    Taps are visited in reading order and only a greater one wins, so a tie belongs
    to the first; NaN wins against any number, and then stays.
    """
    N, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    lowest = x.dtype.type(-np.inf)
    for r in prange(N * OH):
        n, i = r // OH, r % OH
        k_first, k_last = max(0, top - i * SH), min(KH, H + top - i * SH)
        for j in range(OW):
            l_first, l_last = max(0, left - j * SW), min(KW, W + left - j * SW)
            for c in range(C):
                y[n, i, j, c] = lowest
                argmax[n, i, j, c] = k_first * KW + l_first
            for k in range(k_first, k_last):
                for l in range(l_first, l_last):
                    h, w = i * SH + k - top, j * SW + l - left
                    for c in range(C):
                        v, best = x[n, h, w, c], y[n, i, j, c]
                        wins = (v > best) | ((v != v) & (best == best))
                        y[n, i, j, c] = v if wins else best
                        argmax[n, i, j, c] = k * KW + l if wins else argmax[n, i, j, c]


def max_pool_2x2_loops(x: Array, y: Array, argmax: Array, SH: int, SW: int) -> None:
    """The same for the commonest window, 2x2 without padding, three times faster.

    With the four taps written out, the greatest so far stays in a register.
    """
    N, OH, OW, C = y.shape
    for r in prange(N * OH):
        n, i = r // OH, r % OH
        for j in range(OW):
            h, w = i * SH, j * SW
            first, second = x[n, h, w], x[n, h, w + 1]
            third, fourth = x[n, h + 1, w], x[n, h + 1, w + 1]
            for c in range(C):
                best, tap = first[c], np.int32(0)
                v = second[c]
                wins = (v > best) | ((v != v) & (best == best))
                best, tap = v if wins else best, np.int32(1) if wins else tap
                v = third[c]
                wins = (v > best) | ((v != v) & (best == best))
                best, tap = v if wins else best, np.int32(2) if wins else tap
                v = fourth[c]
                wins = (v > best) | ((v != v) & (best == best))
                best, tap = v if wins else best, np.int32(3) if wins else tap
                y[n, i, j, c] = best
                argmax[n, i, j, c] = tap


def max_pool_backward_loops(
    dy: Array, argmax: Array, dx: Array, KH: int, KW: int, SH: int, SW: int, top: int, left: int
) -> None:
    """dx[n,h,w,c] = sum of dy[n,i,j,c] over the windows (i, j) whose maximum was there."""
    N, H, W, C = dx.shape
    _, OH, OW, _ = dy.shape
    zero = dy.dtype.type(0)
    for r in prange(N * H):
        n, h = r // H, r % H
        for w in range(W):
            for c in range(C):
                dx[n, h, w, c] = zero
        # Tap k of window row i sees h = i*SH + k - top.
        for i in range(max(0, (h + top - KH + SH) // SH), min(OH, (h + top) // SH + 1)):
            k = h + top - i * SH
            for j in range(OW):
                for l in range(max(0, left - j * SW), min(KW, W + left - j * SW)):
                    w, tap = j * SW + l - left, k * KW + l
                    for c in range(C):
                        dx[n, h, w, c] += dy[n, i, j, c] if argmax[n, i, j, c] == tap else zero


def average_pool_loops(
    x: Array, y: Array, KH: int, KW: int, SH: int, SW: int, top: int, left: int
) -> None:
    """y[n,i,j,c] = mean over the real pixels among x[n, i*SH + k - top, j*SW + l - left, c]."""
    N, H, W, C = x.shape
    _, OH, OW, _ = y.shape
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for r in prange(N * OH):
        n, i = r // OH, r % OH
        h_first, h_last = max(0, i * SH - top), min(H, i * SH - top + KH)
        for j in range(OW):
            w_first, w_last = max(0, j * SW - left), min(W, j * SW - left + KW)
            share = one / x.dtype.type((h_last - h_first) * (w_last - w_first))
            for c in range(C):
                y[n, i, j, c] = zero
            for h in range(h_first, h_last):
                for w in range(w_first, w_last):
                    for c in range(C):
                        y[n, i, j, c] += x[n, h, w, c]
            for c in range(C):
                y[n, i, j, c] *= share


def average_pool_backward_loops(
    dy: Array, dx: Array, KH: int, KW: int, SH: int, SW: int, top: int, left: int
) -> None:
    """dx[n,h,w,c] = sum of dy[n,i,j,c] / (real pixels) over the windows (i, j) that see it."""
    N, H, W, C = dx.shape
    _, OH, OW, _ = dy.shape
    zero, one = dy.dtype.type(0), dy.dtype.type(1)
    for r in prange(N * H):
        n, h = r // H, r % H
        for w in range(W):
            for c in range(C):
                dx[n, h, w, c] = zero
        for i in range(max(0, (h + top - KH + SH) // SH), min(OH, (h + top) // SH + 1)):
            height = min(H, i * SH - top + KH) - max(0, i * SH - top)
            for j in range(OW):
                w_first, w_last = max(0, j * SW - left), min(W, j * SW - left + KW)
                share = one / dy.dtype.type(height * (w_last - w_first))
                for w in range(w_first, w_last):
                    for c in range(C):
                        dx[n, h, w, c] += dy[n, i, j, c] * share


max_pool_kernel = jit_parallel(max_pool_loops)
max_pool_2x2_kernel = jit_parallel(max_pool_2x2_loops)
max_pool_backward_kernel = jit_parallel(max_pool_backward_loops)
average_pool_kernel = jit_parallel(average_pool_loops)
average_pool_backward_kernel = jit_parallel(average_pool_backward_loops)


# ---- operations -------------------------------------------------------------


class Pooling(NumpyBackend):
    def max_pool(self, x: Array, window: Window) -> tuple[Array, Array]:
        """y and the tap of the first maximum."""
        x = np.ascontiguousarray(x)
        shape = (x.shape[0], *window.output, x.shape[3])
        y, argmax = empty(shape, x.dtype), empty(shape, _tap_dtype(window))
        if window.size == (2, 2) and window.padding == ((0, 0), (0, 0)):
            max_pool_2x2_kernel(x, y, argmax, *window.strides)
        else:
            max_pool_kernel(x, y, argmax, *_steps(window))
        return y, argmax

    def max_pool_backward(self, dy: Array, argmax: Array, window: Window) -> Array:
        """Each gradient goes to its maximum."""
        dy = np.ascontiguousarray(dy)
        argmax = np.ascontiguousarray(argmax, _tap_dtype(window))
        dx = empty((dy.shape[0], *window.input, dy.shape[3]), dy.dtype)
        max_pool_backward_kernel(dy, argmax, dx, *_steps(window))
        return dx

    def average_pool(self, x: Array, window: Window) -> Array:
        """The mean of the real pixels."""
        x = np.ascontiguousarray(x)
        y = empty((x.shape[0], *window.output, x.shape[3]), x.dtype)
        average_pool_kernel(x, y, *_steps(window))
        return y

    def average_pool_backward(self, dy: Array, window: Window) -> Array:
        """Each gradient is spread evenly over the real pixels of its window."""
        dy = np.ascontiguousarray(dy)
        dx = empty((dy.shape[0], *window.input, dy.shape[3]), dy.dtype)
        average_pool_backward_kernel(dy, dx, *_steps(window))
        return dx


def _tap_dtype(window: Window) -> type[np.integer]:
    """One byte for the number of a tap, unless the window is uncommonly large."""
    return np.uint8 if window.size[0] * window.size[1] <= 256 else np.int32


def _steps(window: Window) -> tuple[int, ...]:
    """KH, KW, SH, SW, top, left: plain ints for the kernels."""
    (top, _), (left, _) = window.padding
    return (*window.size, *window.strides, top, left)
