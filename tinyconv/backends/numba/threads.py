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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Lock, Thread

import numba
import numpy as np
from threadpoolctl import ThreadpoolController


class Job:
    """Something for a helper to do, unless the one who asked has finished without it."""

    def __init__(self, run: Callable[[], None]) -> None:
        self.run = run
        self.claim = Lock()  # taken by the helper that starts, or by who no longer needs one
        self.running = Lock()
        self.running.acquire()
        self.error: BaseException | None = None

    def start(self) -> None:
        if self.claim.acquire(blocking=False):
            try:
                self.run()
            except BaseException as error:
                self.error = error
            finally:
                self.running.release()

    def finish(self) -> None:
        """Wait for the helper if it has started, else tell it not to."""
        if not self.claim.acquire(blocking=False):
            self.running.acquire()


_lock = Lock()
_jobs: SimpleQueue[Job] = SimpleQueue()
_helpers: list[Thread] = []
_blas: ThreadpoolController | None = None
_blas_threads: list[int] = []
_blas_users = 0


def thread_count() -> int:
    """Threads to use: numba.set_num_threads() and NUMBA_NUM_THREADS decide."""
    return int(numba.get_num_threads())


def for_each(work: Callable[[int], None], count: int) -> None:
    """Call work(0), ..., work(count - 1) on all cores; return when all are done.

    Which thread does which piece is left to chance; pieces must not share results.
    An executor of concurrent.futures would do as well, but takes longer to start a
    piece than many a piece takes.
    """
    pieces = iter(range(count))

    def drain() -> None:
        # What a caller has set np.errstate to would hold in one thread only; like the
        # kernels, products say nothing about NaN and infinity in any of them.
        with np.errstate(all="ignore"):
            for index in pieces:  # next() of an iterator is atomic: no piece is done twice
                work(index)

    jobs = [Job(drain) for _ in range(min(thread_count(), count) - 1)]
    _ensure_helpers(len(jobs))
    with one_blas_thread():
        for job in jobs:
            _jobs.put(job)
        try:
            drain()
        finally:
            for job in jobs:
                job.finish()
    for job in jobs:
        if job.error is not None:
            raise job.error


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
            _set_blas_threads([1] * len(_blas_threads))
    try:
        yield
    finally:
        with _lock:
            _blas_users -= 1
            if _blas_users == 0:
                _set_blas_threads(_blas_threads)


def _set_blas_threads(counts: list[int]) -> None:
    assert _blas is not None
    for library, count in zip(_blas.lib_controllers, counts, strict=True):
        # threadpoolctl 3.8 listens to one Python thread only, the first that asks; but
        # layers may run in any, and `_lock` already keeps them apart.
        forget = getattr(library, "clear_controlling_thread", lambda force: None)
        forget(force=True)
        library.set_num_threads(count)
        forget(force=True)


def _ensure_helpers(count: int) -> None:
    with _lock:
        while len(_helpers) < count:
            _helpers.append(Thread(target=_serve, args=(_jobs,), name="tinyconv", daemon=True))
            _helpers[-1].start()


def _serve(jobs: SimpleQueue[Job]) -> None:
    while True:
        jobs.get().start()


def _forget() -> None:
    """Threads do not survive a fork; the child starts its own when it needs them."""
    global _lock, _jobs, _blas_users
    _lock, _jobs, _blas_users = Lock(), SimpleQueue(), 0
    _helpers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
