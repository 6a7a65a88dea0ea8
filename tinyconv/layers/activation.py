"""Activations as layers of their own."""

from __future__ import annotations

import operator
from typing import Any

from tinyconv import activations
from tinyconv.backends import get_backend
from tinyconv.backends.base import LINEAR, Array
from tinyconv.layers.base import Cache, Gradients, Layer


class Activation(Layer):
    """y = activation(x), elementwise (softmax: over the last axis).

    Args:
        activation: a name, or a function of `tinyconv.nn`.

    Raises:
        ValueError: for an unknown activation.
    """

    config_keys: tuple[str, ...] = ("activation",)
    steady = True

    def __init__(self, activation: Any, **base: Any) -> None:
        super().__init__(**base)
        self.activation = activations.get(activation, self)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = f(x)."""
        x = self.prepare(x)
        y, saved = get_backend().activate(x, None, self.activation)
        return y, Cache(self, y.shape, saved=saved, activation=self.activation)

    def forward_logits(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """x itself."""
        x = self.prepare(x)
        return x, Cache(self, x.shape, saved=x, activation=LINEAR)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx = dy * f'(x); softmax: dx = y * (dy - sum of dy * y)."""
        dy = self.check_backward(dy, cache)
        return get_backend().activate_backward(dy, cache.saved, cache.activation, False)[0], {}


class ReLU(Activation):
    """y = max(x, 0), with a slope below, a ceiling and another threshold if asked for.

    Args:
        max_value: ceiling, None for none.
        negative_slope: slope below the threshold.
        threshold: where the function bends.

    Raises:
        ValueError: if one of them is negative.
    """

    config_keys = ("max_value", "negative_slope", "threshold")

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **base: Any,
    ) -> None:
        if not all(value >= 0 for value in (max_value or 0, negative_slope, threshold)):
            raise ValueError(
                "ReLU: max_value, negative_slope and threshold must not be negative. Received: "
                f"max_value={max_value}, negative_slope={negative_slope}, threshold={threshold}"
            )
        rectifier = activations.rectifier(negative_slope, max_value, threshold)
        super().__init__(rectifier, **base)
        self.max_value, self.negative_slope = max_value, negative_slope
        self.threshold = threshold


class Softmax(Activation):
    """y_k = e^x_k / sum_j e^x_j along one axis.

    Args:
        axis: the axis that sums to 1.

    Raises:
        ValueError: when called with an input that has no such axis.
    """

    config_keys = ("axis",)

    def __init__(self, axis: int = -1, **base: Any) -> None:
        super().__init__("softmax", **base)
        self.axis = operator.index(axis)

    @property
    def final_activation(self) -> str:
        """A loss takes over the softmax of the last axis only."""
        return "softmax" if self.axis == -1 else "linear"

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """Move the axis to the end, and back."""
        x = self.prepare(x)
        self._check_axis(x.ndim)
        last = get_backend().xp.moveaxis(x, self.axis, -1)
        saved = get_backend().activate(last, None, self.activation)[0]
        y = get_backend().xp.moveaxis(saved, -1, self.axis)
        return y, Cache(self, y.shape, saved=saved, activation=self.activation)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx = y * (dy - sum of dy * y along the axis)."""
        moveaxis = get_backend().xp.moveaxis
        dy = moveaxis(self.check_backward(dy, cache), self.axis, -1)
        dx = get_backend().activate_backward(dy, cache.saved, cache.activation, False)[0]
        return moveaxis(dx, -1, self.axis), {}

    def _check_axis(self, rank: int) -> None:
        if not -rank <= self.axis < rank:
            raise ValueError(
                f"{self!r}: axis {self.axis} does not exist in an input of {rank} axes"
            )
