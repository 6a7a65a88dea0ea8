"""Layers that only move values: Flatten, Reshape, ZeroPadding2D."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape, pair
from tinyconv.layers.base import Cache, Gradients, Layer
from tinyconv.layers.windowed import check_data_format


class Flatten(Layer):
    """x (N, ...) -> y (N, values), in the order of memory: height, width, channels."""

    steady = True

    def __init__(self, data_format: str | None = None, **base: Any) -> None:
        super().__init__(**base)
        check_data_format(data_format, self)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, ...) -> (N, product)."""
        known = [n for n in input_shape[1:] if n is not None]
        unknown = len(known) < len(input_shape) - 1
        return (input_shape[0], None if unknown else math.prod(known))

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y[n] = the values of x[n] in a row."""
        x = self.prepare(x)
        y = x.reshape(x.shape[0], -1)
        return y, Cache(self, y.shape, x_shape=x.shape)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """The same values back in their places."""
        return self.check_backward(dy, cache).reshape(cache.x_shape), {}


class Reshape(Layer):
    """x (N, ...) -> y (N, *target_shape), the values in the same order.

    Args:
        target_shape: without the batch; one axis may be -1.

    Raises:
        ValueError: if the numbers of values differ.
    """

    config_keys = ("target_shape",)
    steady = True

    def __init__(self, target_shape: Any, **base: Any) -> None:
        super().__init__(**base)
        try:
            self.target_shape = tuple(operator.index(n) for n in target_shape)
        except TypeError:
            self.target_shape = (0,)
        if any(n < 1 and n != -1 for n in self.target_shape) or self.target_shape.count(-1) > 1:
            raise ValueError(
                f"{self!r}: target_shape must be positive integers with at most one -1. "
                f"Received: {target_shape!r}"
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, ...) -> (N, *target_shape)."""
        if None in input_shape[1:]:
            return (input_shape[0], *(None if n == -1 else n for n in self.target_shape))
        values = math.prod(n for n in input_shape[1:] if n is not None)
        fixed = math.prod(n for n in self.target_shape if n != -1)
        if values % fixed or (-1 not in self.target_shape and values != fixed):
            raise ValueError(
                f"{self!r}: the {values} values of an input of shape {tuple(input_shape)} do not "
                f"fit into target_shape {self.target_shape}"
            )
        return (input_shape[0], *(values // fixed if n == -1 else n for n in self.target_shape))

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = x in another shape."""
        x = self.prepare(x)
        y = x.reshape([n or 0 for n in self.compute_output_shape(x.shape)])
        return y, Cache(self, y.shape, x_shape=x.shape)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """The same values back in their places."""
        return self.check_backward(dy, cache).reshape(cache.x_shape), {}


class ZeroPadding2D(Layer):
    """Zeros around the image: x (N, H, W, C) -> y (N, H + top + bottom, W + left + right, C).

    Args:
        padding: p, (rows, cols) or ((top, bottom), (left, right)), pixels.

    Raises:
        ValueError: for any other padding.
    """

    config_keys = ("padding",)
    steady = True
    rank = 4
    axes = "(batch, height, width, channels)"

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **base: Any) -> None:
        super().__init__(**base)
        check_data_format(data_format, self)
        sides = tuple(padding) if isinstance(padding, Sequence) else (padding, padding)
        if len(sides) != 2:
            raise ValueError(
                f"{self!r}: padding must be p, (rows, cols) or ((top, bottom), (left, right)). "
                f"Received: {padding!r}"
            )
        rows, cols = (pair(side, "padding", self, minimum=0) for side in sides)
        self.padding = (rows, cols)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, H + top + bottom, W + left + right, C)."""
        self.check_shape(input_shape)
        N, H, W, C = input_shape
        rows, cols = (sum(side) for side in self.padding)
        return (N, None if H is None else H + rows, None if W is None else W + cols, C)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = x with zeros around."""
        x = self.prepare(x)
        y = get_backend().zero_pad(x, self.padding)
        return y, Cache(self, y.shape, x_shape=x.shape)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx = dy without the border: the zeros are constants."""
        dy = self.check_backward(dy, cache)
        (top, _), (left, _) = self.padding
        _, H, W, _ = cache.x_shape
        return dy[:, top : top + H, left : left + W], {}
