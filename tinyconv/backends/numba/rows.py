"""Activations seen as rows of channels, and what is summed over the rows."""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array

SHARE_ROWS = 128  # rows summed in one go: in the cache, and few enough for float32
MOST_SHARES = 512  # more would take longer to put together than to sum


def as_rows(x: Array) -> Array:
    """(..., C) -> (rows, C), the same memory where x is contiguous."""
    return x.reshape(-1, x.shape[-1])


def partial_sums(rows: Array) -> Array:
    """Memory for a sum over each share of the rows, (P, C), uninitialised.

    Share p consists of the rows p * R // P to (p + 1) * R // P - 1: P does not depend on the
    number of threads, and so neither do the sums.
    """
    shares = max(1, min(len(rows) // SHARE_ROWS, MOST_SHARES))
    return np.empty((shares, rows.shape[1]), rows.dtype)
