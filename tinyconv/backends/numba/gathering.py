"""The batch of a step: rows of the data set, copied and cast by all cores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinyconv.backends.base import Array
from tinyconv.backends.numba._jit import SMALL, jit_parallel
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy import NumpyBackend

STORED = {np.dtype(name) for name in ("uint8", "float32", "float64")}  # worth a kernel


def gather_loops(x: Array, indices: Array, batch: Array) -> None:
    """batch[n, j] = x[indices[n], j]."""
    N, size = batch.shape
    for n in prange(N):
        source, target = x[indices[n]], batch[n]
        for j in range(size):
            target[j] = source[j]


gather_kernel = jit_parallel(gather_loops)


class Gathering(NumpyBackend):
    def gather(self, x: Array, indices: Array, dtype: Any) -> Array:
        """In one pass, without the batch in the data set's dtype in between."""
        size = x.size // max(len(x), 1)
        if len(indices) * size <= SMALL or x.dtype not in STORED or not x.flags.c_contiguous:
            return super().gather(x, indices, dtype)
        batch = empty((len(indices), *x.shape[1:]), dtype)
        rows = np.asarray(x).reshape(len(x), size)
        gather_kernel(rows, indices.astype("int64", copy=False), batch.reshape(-1, size))
        return batch
