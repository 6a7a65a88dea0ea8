"""Max and average pooling: see kernels/pooling.cu."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.base import OnDevice
from tinyconv.backends.cuda.expecting import expect
from tinyconv.geometry import Window

_THREADS = 256  # of a block that goes over rows
_MOST_ROWS = 64  # of a block: its third dimension


class Pooling(OnDevice):
    def max_pool(self, x: Array, window: Window) -> tuple[Array, Array]:
        """y and the tap of the first maximum."""
        expect("x", x, (len(x), *window.input, x.shape[3]))
        x = self.xp.ascontiguousarray(x)
        shape = (len(x), *window.output, x.shape[3])
        y, argmax = self.xp.empty(shape, x.dtype), self.xp.empty(shape, _tap_dtype(window))
        self._over_pixels("max_pool", window, y, (x, argmax), x, y, *_by_size(argmax))
        return y, argmax

    def max_pool_backward(self, dy: Array, argmax: Array, window: Window) -> Array:
        """Each gradient goes to its maximum."""
        expect("dy", dy, (len(dy), *window.output, dy.shape[3]))
        expect("argmax", argmax, dy.shape)
        dy = self.xp.ascontiguousarray(dy)
        argmax = self.xp.ascontiguousarray(argmax, _tap_dtype(window))
        dx = self.xp.empty((len(dy), *window.input, dy.shape[3]), dy.dtype)
        self._over_rows("max_pool_backward", window, dx, (dy, argmax), dy, *_by_size(argmax), dx)
        return dx

    def average_pool(self, x: Array, window: Window) -> Array:
        """The mean of the real pixels."""
        expect("x", x, (len(x), *window.input, x.shape[3]))
        x = self.xp.ascontiguousarray(x)
        y = self.xp.empty((len(x), *window.output, x.shape[3]), x.dtype)
        self._over_pixels("average_pool", window, y, (x,), x, y)
        return y

    def average_pool_backward(self, dy: Array, window: Window) -> Array:
        """Each gradient is spread evenly over the real pixels of its window."""
        expect("dy", dy, (len(dy), *window.output, dy.shape[3]))
        dy = self.xp.ascontiguousarray(dy)
        dx = self.xp.empty((len(dy), *window.input, dy.shape[3]), dy.dtype)
        self._over_rows("average_pool_backward", window, dx, (dy,), dy, dx)
        return dx

    def _over_pixels(
        self,
        kernel: str,
        window: Window,
        written: Array,
        others: tuple[Array, ...],
        *arguments: Any,
    ) -> None:
        """The kernel over all elements of `written`, 16 bytes at a time if the arrays allow it."""
        C = written.shape[3]
        lanes = self.device.lanes(C, written, *others)
        name, steps = f"pooling:{kernel}", _steps(window, C)
        self._launch_laned(name, lanes, written, written.size, *arguments, *steps)

    def _over_rows(
        self, kernel: str, window: Window, dx: Array, others: tuple[Array, ...], *arguments: Any
    ) -> None:
        """The kernel over the rows of dx, whose pixels and channels the threads of a block share.

        A block has as many channels, then pixels, then rows side by side as go into it.
        """
        N, H, W, C = dx.shape
        lanes = self.device.lanes(C, dx, *others)
        channels = max(1, min(C // lanes, _THREADS))
        pixels = max(1, min(W, _THREADS // channels))
        rows = max(1, min(N * H, _THREADS // (channels * pixels), _MOST_ROWS))
        block = channels, pixels, rows
        grid = min(-(-N * H // rows), self.device.waves(math.prod(block)))
        name = f"pooling:{kernel}" if lanes == 1 else f"pooling:{kernel}_vector"
        steps = _steps(window, C)
        self.device.launch_blocks(name, dx.dtype, grid, block, N, *arguments, *steps)


def _steps(window: Window, channels: int) -> tuple[int, ...]:
    """What the kernels take after their arrays."""
    (top, _), (left, _) = window.padding
    return *window.input, channels, *window.output, *window.size, *window.strides, top, left


def _tap_dtype(window: Window) -> type[np.integer]:
    """One byte for the number of a tap, unless the window is uncommonly large."""
    return np.uint8 if window.size[0] * window.size[1] <= 256 else np.int32


def _by_size(argmax: Array) -> tuple[Array | None, Array | None]:
    """`argmax` as the kernels take it: in the place of its number type, None in the other."""
    return (argmax, None) if argmax.dtype == np.uint8 else (None, argmax)
