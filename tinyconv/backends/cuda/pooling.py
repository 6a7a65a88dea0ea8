"""Max and average pooling: see kernels/pooling.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.base import OnDevice
from tinyconv.geometry import Window


class Pooling(OnDevice):
    def max_pool(self, x: Array, window: Window) -> tuple[Array, Array]:
        """y and the tap of the first maximum."""
        y, argmax = self._max_pool(x, None, False, window, True)
        assert argmax is not None
        return y, argmax

    def _max_pool(
        self, x: Array, bias: Array | None, relu: bool, window: Window, keep: bool
    ) -> tuple[Array, Array | None]:
        """max_pool(f(x + bias)) in one pass -> (y, argmax, or None unless `keep`).

        x (N, H, W, C), bias (C,) or None, f ReLU or the identity.
        """
        x = self.xp.ascontiguousarray(x)
        bias = None if bias is None else self.xp.ascontiguousarray(bias)
        shape = (x.shape[0], *window.output, x.shape[3])
        y = self.xp.empty(shape, x.dtype)
        argmax = self.xp.empty(shape, _tap_dtype(window)) if keep else None
        taps = _by_size(argmax)
        self._over_pixels("max_pool", y, (x,), (x, bias, relu, y, *taps), window)
        return y, argmax

    def max_pool_backward(self, dy: Array, argmax: Array, window: Window) -> Array:
        """Each gradient goes to its maximum."""
        dy = self.xp.ascontiguousarray(dy)
        argmax = self.xp.ascontiguousarray(argmax, _tap_dtype(window))
        dx = self.xp.empty((dy.shape[0], *window.input, dy.shape[3]), dy.dtype)
        arguments = dy, *_by_size(argmax), dx
        self._over_pixels("max_pool_backward", dx, (dy, argmax), arguments, window)
        return dx

    def average_pool(self, x: Array, window: Window) -> Array:
        """The mean of the real pixels."""
        x = self.xp.ascontiguousarray(x)
        y = self.xp.empty((x.shape[0], *window.output, x.shape[3]), x.dtype)
        self._over_pixels("average_pool", y, (x,), (x, y), window)
        return y

    def average_pool_backward(self, dy: Array, window: Window) -> Array:
        """Each gradient is spread evenly over the real pixels of its window."""
        dy = self.xp.ascontiguousarray(dy)
        dx = self.xp.empty((dy.shape[0], *window.input, dy.shape[3]), dy.dtype)
        self._over_pixels("average_pool_backward", dx, (dy,), (dy, dx), window)
        return dx

    def _over_pixels(
        self,
        kernel: str,
        written: Array,
        read: tuple[Array, ...],
        arguments: tuple[Any, ...],
        window: Window,
    ) -> None:
        """Run the kernel over all elements of `written`, 16 bytes at a time where they are."""
        C = written.shape[3]
        lanes = self.device.lanes(C, written, *read)
        suffix = "" if lanes == 1 else "_vector"
        (top, _), (left, _) = window.padding
        steps = *window.input, C, *window.output, *window.size, *window.strides, top, left
        self.device.launch(
            f"pooling:{kernel}{suffix}", written.dtype, written.size // lanes, *arguments, *steps
        )


def _tap_dtype(window: Window) -> type[np.integer]:
    """One byte for the number of a tap, unless the window is uncommonly large."""
    return np.uint8 if window.size[0] * window.size[1] <= 256 else np.int32


def _by_size(argmax: Array | None) -> tuple[Array | None, Array | None]:
    """`argmax` as the kernels take it: in the place of its number type, None in the other."""
    if argmax is None or argmax.dtype == np.uint8:
        return argmax, None
    return None, argmax
