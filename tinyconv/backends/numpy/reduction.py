"""Sums over everything but the channels."""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array


def channel_sum(x: Array) -> Array:
    """(..., C) -> (C,), added up in float64.

    NumPy adds the rows one after another; in float32 a hundred thousand of them with a large
    mean would lose the digits that the variance is made of.
    """
    return x.reshape(-1, x.shape[-1]).sum(axis=0, dtype=np.float64).astype(x.dtype)
