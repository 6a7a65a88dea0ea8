"""Max and average pooling: see kernels/pooling.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.base import OnDevice
from tinyconv.backends.cuda.expecting import expect
from tinyconv.geometry import Window


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
        self._over_pixels("max_pool_backward", window, dx, (dy, argmax), dy, *_by_size(argmax), dx)
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
        self._over_pixels("average_pool_backward", window, dx, (dy,), dy, dx)
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
        C, (top, _), (left, _) = written.shape[3], *window.padding
        lanes = self.device.lanes(C, written, *others)
        steps = *window.input, C, *window.output, *window.size, *window.strides, top, left
        name = f"pooling:{kernel}"
        self._launch_laned(name, lanes, written, written.size, *arguments, *steps)


def _tap_dtype(window: Window) -> type[np.integer]:
    """One byte for the number of a tap, unless the window is uncommonly large."""
    return np.uint8 if window.size[0] * window.size[1] <= 256 else np.int32


def _by_size(argmax: Array) -> tuple[Array | None, Array | None]:
    """`argmax` as the kernels take it: in the place of its number type, None in the other."""
    return (argmax, None) if argmax.dtype == np.uint8 else (None, argmax)
