"""How kernels are compiled: the one place with Numba's options.

A kernel is an ordinary Python function of arrays and plain numbers, compiled on a
line of its own below its definition, so that the function itself can still be
called and stepped through with a debugger:

    def im2col_loops(x, columns, ...): ...
    im2col_kernel = jit(im2col_loops)

Nothing is compiled before the first call, and what was compiled is kept on disk
(NUMBA_CACHE_DIR, or __pycache__). Numba compiles a kernel once for each
combination of argument types; callers therefore pass contiguous arrays of one
dtype and plain ints, and the combinations are float32 and float64, no more.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from numba import config, njit

# Sums may be reordered (or no reduction could be vectorised) and multiplied and added
# in one instruction. "nnan" and "ninf", also in fastmath=True, are left out: they let
# the compiler assume that NaN and infinity never occur, and those must stay visible.
FAST_MATH = {"reassoc", "contract", "arcp", "nsz"}

# A thread of GNU OpenMP that has no work spins for milliseconds before it sleeps, on a
# core that BLAS could be using meanwhile: a matrix product after a kernel then takes
# twice as long. 1000 turns (microseconds) still bridge the gap from one kernel to the
# next. Read by OpenMP when the first kernel starts; an environment that sets it wins.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# OpenMP first: it starts a kernel in 2 microseconds where workqueue takes 40, and it
# lets several Python threads run kernels at once.
config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # type: ignore[attr-defined]


def jit(function: Callable[..., None]) -> Any:
    """Compile for one thread; callable from several threads at once."""
    return njit(function, nogil=True, cache=True, error_model="numpy", fastmath=FAST_MATH)


def jit_parallel(function: Callable[..., None], fast: bool = True) -> Any:
    """Compile so that the turns of the loop over `prange` are spread over the cores.

    With `fast` false, sums are left in the order in which they are written.
    """
    flags = FAST_MATH if fast else False
    return njit(
        function, parallel=True, nogil=True, cache=True, error_model="numpy", fastmath=flags
    )
