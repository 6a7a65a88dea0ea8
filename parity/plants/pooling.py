"""Errors in pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.plants.plant import Function, Plant, after, function, operation
from tinyconv.backends.base import Array
from tinyconv.geometry import Window
from tinyconv.layers import GlobalAveragePooling2D, GlobalMaxPooling2D


def _turned(window: Window) -> Window:
    (top, bottom), (left, right) = window.padding
    return window._replace(padding=((bottom, top), (right, left)))


def _last_maximum(original: Function) -> Function:
    """On the image turned by 180 degrees the first maximum is the last."""

    def max_pool(self: Any, x: Array, window: Window) -> Any:
        # What the windows leave over at the end must not come in front.
        covered = [
            (out - 1) * stride + size - sum(pad)
            for out, stride, size, pad in zip(
                window.output, window.strides, window.size, window.padding, strict=True
            )
        ]
        rows, cols = (min(n, c) for n, c in zip(window.input, covered, strict=True))
        part = _turned(window)._replace(input=(rows, cols))
        y, argmax = original(self, np.ascontiguousarray(x[:, :rows, :cols][:, ::-1, ::-1]), part)
        last = window.size[0] * window.size[1] - 1
        return y[:, ::-1, ::-1], np.ascontiguousarray(last - argmax[:, ::-1, ::-1])

    return max_pool


def _padded(x: Array, window: Window) -> tuple[Array, Window]:
    """The image with real zeros around, and the window without padding."""
    wide = np.pad(x, ((0, 0), *window.padding, (0, 0)))
    return wide, window._replace(padding=((0, 0), (0, 0)), input=(wide.shape[1], wide.shape[2]))


def _zeros_win(original: Function) -> Function:
    return lambda self, x, window: original(self, *_padded(x, window))


def _cut(dx: Array, self: Any, dy: Array, window: Window) -> Array:
    (top, _), (left, _) = window.padding
    return dx[:, top : top + window.input[0], left : left + window.input[1]]


def _all_pixels(original: Function) -> Function:
    def average_pool_backward(self: Any, dy: Array, window: Window) -> Array:
        (top, bottom), (left, right) = window.padding
        size = (window.input[0] + top + bottom, window.input[1] + left + right)
        dx = original(self, dy, window._replace(padding=((0, 0), (0, 0)), input=size))
        return _cut(dx, self, dy, window)

    return average_pool_backward


_SAME = "same, pool 3, stride 1, *"

PLANTS: list[Plant] = [
    operation("the last of equal maxima", "max_pool", _last_maximum,
              "MaxPooling2D: constant input*", "MaxPooling2D: as after a ReLU*",
              "MaxPooling2D: many equal values*"),
    operation("zeros of the padding that win the maximum", "max_pool", _zeros_win,
              "MaxPooling2D: negative values, same"),
    operation("a mean that counts the padding", "average_pool", _zeros_win,
              f"AveragePooling2D: {_SAME}", "AveragePooling2D: negative values, same"),
    operation("a gradient of the mean that counts the padding", "average_pool_backward",
              _all_pixels, f"AveragePooling2D: {_SAME}"),
    operation("a gradient of the mean that is not shared", "average_pool_backward",
              after(lambda dx, self, dy, window: dx * window.size[0] * window.size[1]),
              "AveragePooling2D: valid, *", "AveragePooling2D: constant input"),
    operation("a gradient of the maximum with its rows and columns mixed up",
              "max_pool_backward",
              lambda original: lambda self, dy, argmax, window: original(
                  self, dy, argmax % window.size[1] * window.size[0] + argmax // window.size[1],
                  window),
              "MaxPooling2D: valid, pool 3, *", "MaxPooling2D: valid, pool 2, stride 2, *"),
    function("a global maximum whose first gets everything", GlobalMaxPooling2D, "backward",
             after(lambda result, self, dy, cache: (_first(result[0], dy, cache), {})),
             "GlobalMaxPooling2D: constant input"),
    function("a global mean without 1 / (H W)", GlobalAveragePooling2D, "backward",
             after(lambda result, *_: (result[0] * result[0][0, :, :, 0].size, {})),
             "GlobalAveragePooling2D: defaults", "GlobalAveragePooling2D: keepdims"),
]  # fmt: skip


def _first(dx: Array, dy: Array, cache: Any) -> Array:
    N, _, _, C = cache.x.shape
    flat = cache.x.reshape(N, -1, C)
    changed = np.zeros_like(flat)
    np.put_along_axis(changed, flat.argmax(axis=1)[:, None], dy.reshape(N, 1, C), axis=1)
    return changed.reshape(dx.shape)
