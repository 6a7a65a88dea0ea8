"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv import random
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.layers.base import Cache, Gradients, Layer


class Dropout(Layer):
    """In training zero each value with probability `rate`, and scale the others by 1 / (1 - rate).

    In inference y = x; the scale keeps the expected value the same in both.

    Args:
        rate: probability in [0, 1).
        seed: a generator of its own; None draws from the shared one (`set_random_seed`).

    Raises:
        ValueError: if `rate` is outside [0, 1).

    Source: Srivastava et al. 2014, "Dropout".
    """

    config_keys = ("rate", "seed")

    def __init__(self, rate: float, seed: int | None = None, **base: Any) -> None:
        super().__init__(**base)
        if not isinstance(rate, (int, float)) or not 0 <= rate < 1:
            raise ValueError(f"{self!r}: rate must be in [0, 1). Received: rate={rate!r}")
        self.rate, self.seed = float(rate), seed
        self._own_generator = None if seed is None else random.generator(seed)

    @property
    def generator(self) -> np.random.Generator:
        """What the masks are drawn from."""
        return self._own_generator or random.generator()

    def constant(self, training: bool) -> bool:
        """Unless it drops something."""
        return not training or self.rate == 0

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """y = x * kept / (1 - rate) in training, else x."""
        x = self.prepare(x)
        if not training or self.rate == 0:
            return x, Cache(self, x.shape, kept=None)
        y, kept = get_backend().dropout(x, self.rate, self.generator)
        return y, Cache(self, y.shape, kept=kept)

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dx = dy * kept / (1 - rate): what was dropped had no say."""
        dy = self.check_backward(dy, cache)
        if cache.kept is None:
            return dy, {}
        return get_backend().dropout_backward(dy, cache.kept, self.rate), {}
