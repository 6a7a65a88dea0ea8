"""The blocks of the contract: operations that follow each other, as one.

What they compute is the composition of the operations in base.py (numpy/fused.py says
which); a fast backend keeps what lies between in the cache. `saved` is what the way
back needs beyond x and the parameters, and None unless `keep`; it belongs to the
backend that made it, and nobody else looks inside. The way back computes what somebody
needs and nothing else: a frozen layer above a trained one hands dx on, and nobody has a
use for the gradients of its parameters. All blocks are pure functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from tinyconv.backends.values import Activation, Array
from tinyconv.geometry import Window


class Blocks(ABC):
    """A layer with its activation (and pooling) each, and the way back."""

    @abstractmethod
    def conv_block(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        window: Window,
        groups: int,
        activation: Activation,
        pool: Window | None,
        keep: bool,
    ) -> tuple[Array, Any]:
        """Convolution, bias, activation, and max-pooling if `pool` -> (y, saved).

        x (N, H, W, C), kernel (KH, KW, C // groups, F), bias (F,) -> y (N, OH, OW, F) of
        the pool, or of the window without one.
        """

    @abstractmethod
    def conv_block_backward(
        self, dy: Array, saved: Any, x: Array, kernel: Array, need_dx: bool, need_parameters: bool
    ) -> tuple[Array | None, Array | None, Array | None]:
        """-> (dx; dkernel; dbias, None without bias).

        dx is None unless `need_dx`, dkernel and dbias are unless `need_parameters`.
        """

    @abstractmethod
    def conv_add(
        self,
        x: Array,
        kernel: Array,
        bias: Array | None,
        other: Array,
        window: Window,
        groups: int,
        activation: Activation,
    ) -> Array:
        """y = activation(conv2d(x, kernel) + bias + other), where nothing is kept.

        other, y (N, OH, OW, F); the rest as in `conv_block`.
        """

    @abstractmethod
    def dense_block(
        self, x: Array, kernel: Array, bias: Array | None, activation: Activation, keep: bool
    ) -> tuple[Array, Any]:
        """y = activation(x @ kernel + bias): x (M, C), kernel (C, F) -> (y (M, F), saved)."""

    @abstractmethod
    def dense_block_backward(
        self, dy: Array, saved: Any, x: Array, kernel: Array, need_dx: bool, need_parameters: bool,
        out: Array | None = None,
    ) -> tuple[Array | None, Array | None, Array | None]:  # fmt: skip
        """-> (dx; dkernel, written to `out` where that is given; dbias, None without bias).

        dx is None unless `need_dx`, dkernel and dbias are unless `need_parameters`.
        """

    @abstractmethod
    def batch_norm_block(
        self,
        x: Array,
        gamma: Array,
        beta: Array,
        statistics: tuple[Array, Array] | None,
        epsilon: float,
        activation: Activation,
        keep: bool,
    ) -> tuple[Array, Array, Array, Any]:
        """Normalisation, then activation -> (y, mean (C,), variance (C,), saved).

        `statistics` are mean and variance if they are constants, None for the batch's own.
        """

    @abstractmethod
    def batch_norm_block_backward(
        self, dy: Array, saved: Any, x: Array, gamma: Array, need_parameters: bool
    ) -> tuple[Array, Array | None, Array | None]:
        """-> (dx, dgamma (C,), dbeta (C,)); the last two are None unless `need_parameters`."""

    @abstractmethod
    def add_block(
        self, a: Array, b: Array, activation: Activation, keep: bool
    ) -> tuple[Array, Any]:
        """y = activation(a + b), an axis of length 1 being repeated -> (y, saved)."""

    @abstractmethod
    def add_block_backward(self, dy: Array, saved: Any) -> Array:
        """dy -> the slope of the sum: that of a and of b, but for axes that were repeated."""
