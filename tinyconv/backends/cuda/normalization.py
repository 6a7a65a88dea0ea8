"""Batch normalisation: see kernels/batch_norm.cu."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinyconv.backends.base import LINEAR, Activation, Array
from tinyconv.backends.cuda.base import OnDevice
from tinyconv.backends.cuda.expecting import expect
from tinyconv.backends.numpy.fused import Fused

_THREADS = 256  # of a block: a tile of channels wide, the rest goes down the rows
_WIDEST = 32  # threads side by side: a tile is 128 floats wide at most
_ROWS_EACH = 4  # at least, of one thread: fewer are not worth a block of their own
_WAVES = 2  # blocks: how often they fill the device
_MOST_SHARES = 65535  # CUDA's limit


class Normalized(NamedTuple):
    """What a block keeps if ReLU or nothing follows; `beta` tells where ReLU was shut."""

    mean: Array
    variance: Array
    by_batch: bool
    epsilon: float
    beta: Array | None


class Normalization(OnDevice, Fused):
    def batch_norm(
        self, x: Array, gamma: Array, beta: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """Mean and biased variance of the batch, then `normalize` with them."""
        return self.batch_norm_block(x, gamma, beta, None, epsilon, LINEAR, False)[:3]

    def batch_norm_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """dx = gamma / s * (dy - mean(dy) - x^ * mean(dy * x^)), s = sqrt(variance + epsilon)."""
        return self._backward(dy, x, gamma, Normalized(mean, variance, True, epsilon, None))

    def normalize(
        self, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
    ) -> Array:
        """y = gamma * x^ + beta."""
        return self._normalize(x, gamma, beta, mean, variance, epsilon, False)

    def normalize_backward(
        self, dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, epsilon: float
    ) -> tuple[Array, Array, Array]:
        """dx = dy * gamma / s, dgamma = sum of dy * x^, dbeta = sum of dy."""
        return self._backward(dy, x, gamma, Normalized(mean, variance, False, epsilon, None))

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
        """Two passes over x, one where the statistics are given; ReLU in the last of them."""
        if activation.name not in ("linear", "relu"):
            return super().batch_norm_block(x, gamma, beta, statistics, epsilon, activation, keep)
        x, relu = self.xp.ascontiguousarray(x), activation.name == "relu"
        if statistics is None:
            mean, variance = self._statistics(x)
        else:
            mean, variance = (each.copy() for each in statistics)  # results are nobody else's
        y = self._normalize(x, gamma, beta, mean, variance, epsilon, relu)
        by_batch, gate = statistics is None, beta if relu else None
        saved = Normalized(mean, variance, by_batch, epsilon, gate) if keep else None
        return y, mean, variance, saved

    def batch_norm_block_backward(
        self, dy: Array, saved: Any, x: Array, gamma: Array, need_parameters: bool
    ) -> tuple[Array, Array | None, Array | None]:
        """Two passes over dy and x, one where the statistics are constants."""
        if not isinstance(saved, Normalized):
            return super().batch_norm_block_backward(dy, saved, x, gamma, need_parameters)
        dx, dgamma, dbeta = self._backward(dy, x, gamma, saved)
        return (dx, dgamma, dbeta) if need_parameters else (dx, None, None)

    # ---- kernels ----------------------------------------------------------------

    def _statistics(self, x: Array) -> tuple[Array, Array]:
        """Mean and biased variance of each channel of a contiguous x."""
        xp, C = self.xp, x.shape[-1]
        rows = np.int64(x.size // C)
        grid = self._grid(x, x)
        partials = [xp.empty((C, grid.shares), x.dtype) for _ in range(3)]
        mean, variance = xp.empty(C, x.dtype), xp.empty(C, x.dtype)
        self._over_tiles("statistics", grid, x.dtype, rows, C, x, *partials)
        self._merge("merge_statistics", grid, rows, grid.shares, *partials, mean, variance)
        return mean, variance

    def _normalize(
        self, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float,
        relu: bool,
    ) -> Array:  # fmt: skip
        x = self.xp.ascontiguousarray(x)
        channels = self._channels(x, gamma=gamma, beta=beta, mean=mean, variance=variance)
        y, C = self.xp.empty(x.shape, x.dtype), x.shape[-1]
        given = np.int64(x.size // C), C, x, *channels, float(epsilon), relu
        self._over_tiles("normalize", self._grid(x, y), x.dtype, *given, y)
        return y

    def _backward(
        self, dy: Array, x: Array, gamma: Array, saved: Normalized
    ) -> tuple[Array, Array, Array]:
        """dx, dgamma, dbeta, through ReLU too where `saved` has its beta."""
        xp, dtype, C = self.xp, x.dtype, x.shape[-1]
        expect("dy", dy, x.shape, dtype)
        dy, x, epsilon = xp.ascontiguousarray(dy), xp.ascontiguousarray(x), float(saved.epsilon)
        gamma, mean, variance = self._channels(
            x, gamma=gamma, mean=saved.mean, variance=saved.variance
        )
        beta = None if saved.beta is None else self._channels(x, beta=saved.beta)[0]
        dx, dgamma, dbeta = xp.empty(x.shape, dtype), xp.empty(C, dtype), xp.empty(C, dtype)
        grid = self._grid(x, dy, dx)
        sums, products = (xp.empty((C, grid.shares), dtype) for _ in range(2))
        given = np.int64(x.size // C), C, dy, x, gamma, beta, mean, variance, epsilon
        on_the_way = None if saved.by_batch else dx
        self._over_tiles("gradient_sums", grid, dtype, *given, sums, products, on_the_way)
        found = grid.shares, sums, products, variance, epsilon
        self._merge("merge_sums", grid, *found, dgamma, dbeta)
        if saved.by_batch:
            self._over_tiles("input_gradient", grid, dtype, *given, dgamma, dbeta, dx)
        return dx, dgamma, dbeta

    def _channels(self, x: Array, **arrays: Array) -> list[Array]:
        """Numbers of each channel of x as kernels take them: contiguous, and as many as channels.

        Raises:
            ValueError: naming the one that is not.
        """
        for name, array in arrays.items():
            expect(name, array, x.shape[-1:], x.dtype)
        return [self.xp.ascontiguousarray(array) for array in arrays.values()]

    def _grid(self, x: Array, *others: Array) -> _Grid:
        """How x is cut into tiles of channels and shares of rows."""
        C = x.shape[-1]
        lanes = self.device.lanes(C, x, *others)
        groups = C // lanes
        width = min(1 << (groups - 1).bit_length(), _WIDEST)
        height = _THREADS // width
        tiles = -(-groups // width)
        properties = self.device.properties
        most = _WAVES * properties.multiprocessors * (properties.threads // _THREADS)
        shares = min(most // tiles, x.size // C // (height * _ROWS_EACH), _MOST_SHARES)
        return _Grid(lanes, tiles, max(shares, 1), width, height)

    def _over_tiles(self, kernel: str, grid: _Grid, dtype: Any, *arguments: Any) -> None:
        suffix = "" if grid.lanes == 1 else "_vector"
        shared = _THREADS * grid.lanes * np.dtype(dtype).itemsize
        self.device.launch_blocks(
            f"batch_norm:{kernel}{suffix}", dtype, (grid.tiles, grid.shares),
            (grid.width, grid.height), *arguments, shared=shared,
        )  # fmt: skip

    def _merge(self, kernel: str, grid: _Grid, *arguments: Any) -> None:
        """Put together what the shares found: a block a channel, sums in double precision."""
        result: Array = arguments[-1]
        block = min(max(32, 1 << (grid.shares - 1).bit_length()), _THREADS)
        self.device.launch_blocks(
            f"batch_norm:{kernel}", result.dtype, result.size, block, *arguments, shared=8 * block
        )


class _Grid(NamedTuple):
    """Blocks of width x height threads, a tile of channels and a share of the rows each."""

    lanes: int
    tiles: int
    shares: int
    width: int
    height: int
