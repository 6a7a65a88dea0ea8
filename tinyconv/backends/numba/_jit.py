"""How kernels are compiled: the one place with Numba's options.

A kernel is an ordinary Python function of arrays and plain numbers, compiled on a
line of its own below its definition, so that the function itself can still be
called and stepped through with a debugger:

    def im2col_loops(x, columns, ...): ...
    im2col_kernel = jit(im2col_loops)

Nothing is compiled before the first call, and what was compiled is kept on disk (see
kernel_cache.py). Numba compiles a kernel once for each
combination of argument types; callers therefore pass contiguous arrays of one
dtype and plain ints, and the combinations are few: float32 and float64, and for images uint8.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from functools import cache
from threading import RLock
from typing import Any

import numba
import numpy as np
from numba import config, njit
from numba.core.compiler_lock import global_compiler_lock

from tinyconv.backends.numba.kernel_cache import KernelCache
from tinyconv.backends.numba.linking import linked
from tinyconv.backends.numba.threads import obey_thread_count

# Sums may be reordered (or no reduction could be vectorised) and multiplied and added
# in one instruction. "nnan" and "ninf", also in fastmath=True, are left out: they let
# the compiler assume that NaN and infinity never occur, and those must stay visible.
FAST_MATH = {"reassoc", "contract", "arcp", "nsz"}

# A thread of GNU OpenMP that has no work spins before it sleeps. Waking it up costs more than
# a kernel takes, but a core that spins is missed by whatever else runs, and OpenMP left to
# itself spins for 300,000 turns, milliseconds. 30,000 still bridge the gap from one kernel to
# the next; 1,000 do not. Read when the first kernel starts; an environment that sets it wins.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")

# OpenMP first: it starts a kernel in 2 microseconds where workqueue takes 40, and it
# lets several Python threads run kernels at once.
if "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
    config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # type: ignore[attr-defined]

# Numbers in the largest array up to which one thread has finished a loop before a second has
# woken up: some microseconds, and much longer where other programs want the cores.
SMALL = 1 << 13


def jit(function: Callable[..., None], fast: bool = True) -> Any:
    """Compile for one thread; callable from several threads at once.

    With `fast` false, sums are left in the order in which they are written.
    """
    return _compiled(function, fast=fast)


def jit_inner(function: Callable[..., None]) -> Any:
    """Compile for one thread, to be called from other kernels only; once, see linking.py."""
    return linked(_compiled(function, inner=True))


def _compiled(
    function: Callable[..., None], parallel: bool = False, fast: bool = True, inner: bool = False
) -> Any:
    options: Any = {
        "parallel": parallel,
        "fastmath": FAST_MATH if fast else False,
        "nogil": True,
        "error_model": "numpy",
        "no_cpython_wrapper": inner,  # wrappers that nobody calls take time to compile
        "no_cfunc_wrapper": True,
    }
    kernel: Any = njit(**options)(function)
    if hasattr(kernel, "py_func"):  # not so under NUMBA_DISABLE_JIT
        kernel._cache = KernelCache(function, f"{parallel=} {fast=} {inner=}")
    return kernel


def jit_parallel(function: Callable[..., None], fast: bool = True) -> Any:
    """Compile so that the turns of the loop over `prange` are spread over the cores.

    `fast` is that of `jit`. On small arrays one thread does the loop.
    """
    parallel = _compiled(function, parallel=True, fast=fast)
    serial = _compiled(function, fast=fast)

    def launch(*arguments: Any) -> None:
        for each in arguments:
            if isinstance(each, np.ndarray) and each.size > SMALL:
                break
        else:
            serial(*arguments)
            return
        layer = _layer or _start_layer()
        obey_thread_count()
        if layer == "workqueue":
            with _workqueue:
                parallel(*arguments)
        elif layer == "lost":
            _warn_lost()
            serial(*arguments)
        else:
            parallel(*arguments)

    return launch


# ---- where Numba would end the process ---------------------------------------
#
# Numba hands the turns of a loop to a "threading layer", of which there are three, and
# two of them have a case in which they abort the whole process:
#   workqueue (where there is neither OpenMP nor TBB): a kernel starts while another
#     Python thread runs one. So kernels wait for each other there.
#   omp on Linux, GNU's: a kernel starts in a child process that was forked after the
#     layer had started; its threads exist in the parent only. So such a child, whose
#     layer is "lost", runs its kernels on one core.

_layer: str | None = None  # "omp", "tbb", "workqueue" or "lost"; None until it is started
_workqueue = RLock()


def _start_layer() -> str:
    global _layer
    numba.get_num_threads()  # starts it, unless Numba has done so already
    _layer = numba.threading_layer()
    return _layer


@cache
def _warn_lost() -> None:
    warnings.warn(
        "This process was forked after its parent had computed with tinyconv. GNU OpenMP cannot "
        "start threads here, so kernels run on one core. To use all of them, start processes with "
        'multiprocessing.get_context("spawn").',
        RuntimeWarning,
        stacklevel=1,
    )


def _before_fork() -> None:
    _workqueue.acquire()  # in this order: a kernel under workqueue may be compiling
    global_compiler_lock.acquire()


def _after_fork_in_parent() -> None:
    global_compiler_lock.release()
    _workqueue.release()


def _after_fork() -> None:
    global _layer
    _after_fork_in_parent()
    try:
        started = numba.threading_layer()
    except ValueError:  # not started: the child starts its own
        return
    if started == "omp" and sys.platform == "linux":
        _layer = "lost"


if hasattr(os, "register_at_fork"):
    # Not in the middle of a workqueue kernel, nor of compiling: the child could start none.
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork,
    )
