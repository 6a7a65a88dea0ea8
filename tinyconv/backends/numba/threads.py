"""How many threads compute. There is one pool of them, the one that Numba's kernels run on.

Products of matrices are kernels too (gemm.py), so no second pool stands in the way of the
first, as BLAS' own would: its threads spin for a while after each product. BLAS is left
with products so small that it starts no thread for them.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Any

import numba
from threadpoolctl import ThreadpoolController

_lock = Lock()
_count: int | None = None  # what set_thread_count() was told
_blas: list[Any] | None = None


def thread_count() -> int:
    """Threads to use: set_thread_count(), else numba.set_num_threads() or NUMBA_NUM_THREADS."""
    return _count or int(numba.get_num_threads())


def most_threads() -> int:
    settings: Any = numba.config
    return int(settings.NUMBA_NUM_THREADS)


def set_thread_count(count: int) -> None:
    """For the whole process, as numba.set_num_threads() is for the thread that calls it.

    BLAS obeys, too: the numpy backend multiplies with it.
    """
    global _count
    with _lock:
        _count = count
        _set_blas_threads([count] * len(_blas_libraries()))


def obey_thread_count() -> None:
    """Before a kernel is started: let Numba use no more threads than were asked for."""
    if _count:
        numba.set_num_threads(_count)


def _blas_libraries() -> list[Any]:
    global _blas
    if _blas is None:
        _blas = ThreadpoolController().select(user_api="blas").lib_controllers
    return _blas


def _set_blas_threads(counts: list[int]) -> None:
    for library, count in zip(_blas_libraries(), counts, strict=True):
        # threadpoolctl 3.8 listens to one Python thread only, the first that asks; but
        # layers may run in any, and `_lock` already keeps them apart.
        forget = getattr(library, "clear_controlling_thread", lambda force: None)
        forget(force=True)
        library.set_num_threads(count)
        forget(force=True)


def _forget() -> None:
    """After a fork: another thread of the parent may have held the lock."""
    global _lock
    _lock = Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
