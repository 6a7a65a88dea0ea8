"""Max and average pooling, the textbook version.

Both look at one tap of the window at a time: x_tap[n, i, j, c] is the pixel that
tap (k, l) of window (i, j) sees, a strided slice of the padded image.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinyconv.backends.base import Array, Backend
from tinyconv.geometry import Window


class Pooling(Backend):
    def max_pool(self, x: Array, window: Window) -> tuple[Array, Array]:
        """y[n,i,j,c] = max over taps of x_tap[n,i,j,c].

        A later tap wins only if it is strictly greater, so that a tie belongs to
        the first maximum, as in TensorFlow. NaN counts as greater than anything.
        """
        xp = _pad(x, window, -np.inf)
        y: Array = np.full((x.shape[0], *window.output, x.shape[3]), -np.inf, x.dtype)
        argmax = np.zeros(y.shape, np.int32)
        found = np.zeros(y.shape, bool)
        inside = _pad(np.ones((1, *window.input, 1), bool), window, False)
        for tap, rows, cols in _taps(window):
            candidate = xp[:, rows, cols]
            real = inside[:, rows, cols]
            # `found` lets the first real pixel win even if it is -inf itself.
            wins = real & (~found | (candidate > y) | (np.isnan(candidate) & ~np.isnan(y)))
            y = np.where(wins, candidate, y)
            argmax[wins] = tap
            found |= real
        return y, argmax

    def max_pool_backward(self, dy: Array, argmax: Array, window: Window) -> Array:
        """dx_tap[n,i,j,c] += dy[n,i,j,c] where tap is the argmax."""
        dxp = _padded_zeros(dy, window)
        for tap, rows, cols in _taps(window):
            dxp[:, rows, cols] += np.where(argmax == tap, dy, 0)
        return _crop(dxp, window)

    def average_pool(self, x: Array, window: Window) -> Array:
        """y[n,i,j,c] = (sum over taps of x_tap[n,i,j,c]) / (real pixels in the window)."""
        xp = _pad(x, window, 0)
        total = sum(xp[:, rows, cols] for _, rows, cols in _taps(window))
        return np.asarray(total / _real_pixels(window, x.dtype))

    def average_pool_backward(self, dy: Array, window: Window) -> Array:
        """dx_tap[n,i,j,c] += dy[n,i,j,c] / (real pixels in the window)."""
        dxp = _padded_zeros(dy, window)
        share = dy / _real_pixels(window, dy.dtype)
        for _, rows, cols in _taps(window):
            dxp[:, rows, cols] += share
        return _crop(dxp, window)


def _taps(window: Window) -> Iterator[tuple[int, slice, slice]]:
    """Each tap's number with the rows and columns of the padded image it sees."""
    (OH, OW), (KH, KW), (SH, SW) = window.output, window.size, window.strides
    for k in range(KH):
        for l in range(KW):
            rows = slice(k, k + (OH - 1) * SH + 1, SH)
            cols = slice(l, l + (OW - 1) * SW + 1, SW)
            yield k * KW + l, rows, cols


def _real_pixels(window: Window, dtype: np.dtype) -> Array:
    """How many pixels of each window lie inside the image: (1, OH, OW, 1)."""
    ones = _pad(np.ones((1, *window.input, 1), dtype), window, 0)
    return np.asarray(sum(ones[:, rows, cols] for _, rows, cols in _taps(window)))


def _pad(x: Array, window: Window, value: float) -> Array:
    return np.pad(x, ((0, 0), *window.padding, (0, 0)), constant_values=value)


def _padded_zeros(dy: Array, window: Window) -> Array:
    height, width = (
        size + sum(pad) for size, pad in zip(window.input, window.padding, strict=True)
    )
    return np.zeros((dy.shape[0], height, width, dy.shape[3]), dy.dtype)


def _crop(xp: Array, window: Window) -> Array:
    (top, _), (left, _) = window.padding
    H, W = window.input
    return xp[:, top : top + H, left : left + W]
