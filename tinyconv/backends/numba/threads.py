"""Matrix products on all cores, without two thread pools fighting over them.

BLAS brings threads of its own, which keep spinning after a product and then stand
in the way of Numba's threads. So BLAS is told to use one thread, and the work is cut
into pieces that Python threads take from a common list; both np.matmul and the
kernels release the GIL, so they do run at the same time. Each piece (a few
rows of the image) is small enough that what one step writes is still in the cache
when the next step reads it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numba
import numpy as np
from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_executor: ThreadPoolExecutor | None = None
_blas: ThreadpoolController | None = None
_blas_threads: list[int] = []
_blas_users = 0


def thread_count() -> int:
    """Threads to use: numba.set_num_threads() and NUMBA_NUM_THREADS decide."""
    return int(numba.get_num_threads())


def for_each(work: Callable[[int], None], count: int) -> None:
    """Call work(0), ..., work(count - 1) on all cores; return when all are done.

    Which thread does which piece is left to chance; pieces must not share results.
    """
    helpers = min(thread_count(), count) - 1
    pieces = iter(range(count))

    def drain() -> None:
        # What a caller has set np.errstate to would hold in this thread only; like the
        # kernels, products say nothing about NaN and infinity in any of them.
        with np.errstate(all="ignore"):
            for index in pieces:  # next() of an iterator is atomic: no piece is done twice
                work(index)

    if helpers < 1:
        drain()
        return
    with one_blas_thread():
        futures = [_pool().submit(drain) for _ in range(helpers)]
        try:
            drain()
        finally:
            # Everything is taken by now: who has not even started is not waited for.
            errors = [future.exception() for future in futures if not future.cancel()]
        for error in errors:
            if error is not None:
                raise error


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS uses one thread inside this block, and what it used before after the last."""
    global _blas, _blas_threads, _blas_users
    with _lock:
        if _blas is None:
            _blas = ThreadpoolController().select(user_api="blas")
        _blas_users += 1
        if _blas_users == 1:
            _blas_threads = [library.get_num_threads() for library in _blas.lib_controllers]
            for library in _blas.lib_controllers:
                library.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _blas_users -= 1
            if _blas_users == 0:
                for library, threads in zip(_blas.lib_controllers, _blas_threads, strict=True):
                    library.set_num_threads(threads)


def _pool() -> ThreadPoolExecutor:
    global _executor
    with _lock:
        if _executor is None:
            _executor = ThreadPoolExecutor(os.cpu_count(), "tinyconv")
        return _executor


def _forget() -> None:
    """Threads do not survive a fork; the child makes its own when it needs them."""
    global _executor, _lock, _blas_users
    _executor, _lock, _blas_users = None, threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
