"""The one source of randomness: initial weights, dropout masks, shuffling."""

from __future__ import annotations

import numpy as np

_generator = np.random.default_rng()


def set_seed(seed: int) -> None:
    """Start the generator anew, so that what follows repeats bit for bit.

    It holds for the same backend and the same number of threads.
    """
    global _generator
    _generator = np.random.default_rng(seed)


def generator(seed: int | None = None) -> np.random.Generator:
    """The shared generator, or one of its own for a given seed."""
    return _generator if seed is None else np.random.default_rng(seed)
