"""How a kernel is started that gives each thread an element of its result at a time."""

from __future__ import annotations

from typing import Any

import numba.cuda
import numpy as np

from tinyconv.backends.base import Array

cuda: Any = numba.cuda  # mypy does not see that grid() and gridsize() are more than functions

THREADS = 128  # of a block
_MOST_BLOCKS = 1 << 16  # the threads go on in steps of the whole grid where there are more


def run(kernel: Any, written: Array, *arguments: Any) -> None:
    """kernel(written, *arguments), with a thread an element of `written`.

    Arrays are made contiguous: strides that are known when it is compiled are cheaper.
    """
    arguments = tuple(
        a if isinstance(a, int) or a.flags.c_contiguous else a.copy() for a in arguments
    )
    blocks = min(-(-written.size // THREADS), _MOST_BLOCKS)
    if blocks:
        kernel[blocks, THREADS](written, *arguments)


def empty(like: Array, shape: tuple[int, ...], dtype: Any = None) -> Array:
    """Uninitialised memory where `like` is: NumPy asks CuPy if that is CuPy's."""
    return np.empty_like(like, dtype, order="C", shape=shape)
