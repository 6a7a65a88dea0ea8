"""Dropout on the device, with random numbers that are counted, not stored."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.base import OnDevice


class Dropping(OnDevice):
    def dropout(self, x: Array, rate: float, generator: np.random.Generator) -> tuple[Array, Array]:
        """y = x * kept / (1 - rate), the mask a function of a key drawn from `generator`.

        A generator whose `integers` returns an array of this device (of one uint64) makes the
        kernel read the key there, each time it runs: what a captured graph needs.
        """
        xp = self.device.xp
        x = xp.ascontiguousarray(x)
        y, kept = xp.empty_like(x), xp.empty(x.shape, bool)
        drawn: Any = generator.integers(2**64, dtype=np.uint64)
        on_device = isinstance(drawn, xp.ndarray)
        key, key_at = (np.uint64(0), drawn) if on_device else (np.uint64(drawn), None)
        lanes = self.device.lanes(16, x, y)  # the tail is looked after
        threshold, scale = np.uint64(round(rate * 2**32)), float(1 / (1 - rate))
        arguments = np.int64(x.size), x, threshold, scale, key, key_at, y, kept
        name = "dropout:dropout" if lanes == 1 else "dropout:dropout_vector"
        self.device.launch(name, x.dtype, -(-x.size // 4), *arguments)
        return y, kept

    def dropout_backward(self, dy: Array, kept: Array, rate: float) -> Array:
        """dx = dy * kept / (1 - rate)."""
        xp = self.device.xp
        dy, kept = xp.ascontiguousarray(dy), xp.ascontiguousarray(kept)
        dx = xp.empty_like(dy)
        lanes = self.device.lanes(dy.size, dy, dx, kept)
        scale = float(1 / (1 - rate))
        self._launch_laned("dropout:dropout_backward", lanes, dy, dy.size, dy, kept, scale, dx)
        return dx
