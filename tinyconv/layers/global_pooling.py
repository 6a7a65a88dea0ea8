"""One value per channel for the whole image."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape, slide
from tinyconv.layers.base import Cache, Gradients, Layer
from tinyconv.layers.windowed import check_data_format


class GlobalPooling2D(Layer):
    """Base of the two: x (N, H, W, C) -> y (N, C), or (N, 1, 1, C) with `keepdims`."""

    config_keys = ("keepdims",)
    steady = True
    rank = 4
    axes = "(batch, height, width, channels)"

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **base: Any) -> None:
        super().__init__(**base)
        check_data_format(data_format, self)
        self.keepdims = bool(keepdims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, C)."""
        self.check_shape(input_shape)
        N, _, _, C = input_shape
        return (N, 1, 1, C) if self.keepdims else (N, C)

    def _keep(self, y: Array) -> Array:
        """(N, C), or (N, 1, 1, C) if the image's axes are to stay."""
        return y[:, None, None] if self.keepdims else y


class GlobalAveragePooling2D(GlobalPooling2D):
    """y[n,c] = mean over h,w of x[n,h,w,c]. Source: Lin et al. 2014, "Network in Network", 3.2."""

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = mean of x."""
        x = self.prepare(x)
        window = slide(x.shape[1:3], x.shape[1:3], (1, 1), "valid")  # as large as the image
        y = self._keep(get_backend().average_pool(x, window)[:, 0, 0])
        return y, Cache(self, y.shape, window=window)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx[n,h,w,c] = dy[n,c] / (H * W), the same for every pixel."""
        dy = self.check_backward(dy, cache)
        N, C = len(dy), dy.shape[-1]
        return get_backend().average_pool_backward(dy.reshape(N, 1, 1, C), cache.window), {}


class GlobalMaxPooling2D(GlobalPooling2D):
    """y[n,c] = max over h,w of x[n,h,w,c]."""

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = max of x."""
        x = self.prepare(x)
        y = self._keep(x.max(axis=(1, 2)))
        return y, Cache(self, y.shape, x=x, maximum=y)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx = dy where x is the maximum; equal maxima share it, as in a plain reduction."""
        dy = self.check_backward(dy, cache)
        N, _, _, C = cache.x.shape
        wins = cache.x == cache.maximum.reshape(N, 1, 1, C)
        count = wins.sum(axis=(1, 2), keepdims=True).astype(dy.dtype)
        # A NaN maximum equals nothing: then the gradient is NaN, not a division by zero.
        count = get_backend().xp.where(count == 0, dy.dtype.type("nan"), count)
        return wins * (dy.reshape(N, 1, 1, C) / count), {}
