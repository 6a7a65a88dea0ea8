"""Max and average pooling over windows."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.layers.base import Cache, Gradients
from tinyconv.layers.windowed import Windowed


class Pooling2D(Windowed):
    """Base of the two: x (N, H, W, C) -> y (N, OH, OW, C), each channel by itself.

    Args:
        pool_size: int or pair, (KH, KW) in pixels; (2, 2) unless given.
        strides: int or pair, pixels from one window to the next; `pool_size` if None.
        padding: "valid", or "same": the pixels beyond the border count for nothing.

    Raises:
        ValueError: for sizes that are not positive, an unknown padding, or a window larger
            than its valid input.
    """

    config_keys = ("pool_size", "strides", "padding")

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: str = "valid",
        data_format: str | None = None,
        **base: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **base)
        self.pool_size = self.size


class MaxPooling2D(Pooling2D):
    """y = the maximum of each window. Arguments: see `Pooling2D`."""

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y[n,i,j,c] = max over k,l of xp[n, i*SH + k, j*SW + l, c], xp padded by -inf."""
        x = self.prepare(x)
        window = self.window(x.shape)
        y, argmax = get_backend().max_pool(x, window)
        return y, Cache(self, y.shape, window=window, argmax=argmax)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """Only the maximum has a say in y, so it alone gets dy; of equal ones, the first."""
        dy = self.check_backward(dy, cache)
        return get_backend().max_pool_backward(dy, cache.argmax, cache.window), {}


class AveragePooling2D(Pooling2D):
    """y = the mean of each window's real pixels. Arguments: see `Pooling2D`."""

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y[n,i,j,c] = mean over those k,l of x[n, i*SH + k, j*SW + l, c] inside the image."""
        x = self.prepare(x)
        window = self.window(x.shape)
        y = get_backend().average_pool(x, window)
        return y, Cache(self, y.shape, window=window)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """Each pixel has a share of 1 / (pixels in the window) in every window that saw it."""
        dy = self.check_backward(dy, cache)
        return get_backend().average_pool_backward(dy, cache.window), {}
