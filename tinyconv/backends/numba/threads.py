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
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

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
_count: int | None = None  # what set_thread_count() was told
_blas: list[Any] | None = None
_blas_users: set[object] = set()  # who needs BLAS to use one thread
_blas_threads: list[int] | None = None  # what it used before the first of them


def thread_count() -> int:
    """Threads to use: set_thread_count(), else numba.set_num_threads() or NUMBA_NUM_THREADS."""
    return _count or int(numba.get_num_threads())


def most_threads() -> int:
    settings: Any = numba.config
    return int(settings.NUMBA_NUM_THREADS)


def set_thread_count(count: int) -> None:
    """For the whole process, as numba.set_num_threads() is for the thread that calls it."""
    global _count, _blas_threads
    with _lock:
        _count = count
        counts = [count] * len(_blas_libraries())
        if _blas_users:
            _blas_threads = counts  # when the last of them has ended
        else:
            _set_blas_threads(counts)


def obey_thread_count() -> None:
    """Before a kernel is started: let Numba use no more threads than were asked for."""
    if _count:
        numba.set_num_threads(_count)


def for_each(work: Callable[[int], None], count: int) -> None:
    """Call work(0), ..., work(count - 1) on all cores; return when all are done.

    Which thread does which piece is left to chance; pieces must not share results.
    When one fails, no other is begun, and the error is raised here.
    An executor of concurrent.futures would do as well, but takes longer to start a
    piece than many a piece takes.
    """
    pieces = deque(range(count))

    def drain() -> None:
        # What a caller has set np.errstate to would hold in one thread only; like the
        # kernels, products say nothing about NaN and infinity in any of them.
        with np.errstate(all="ignore"):
            try:
                while (index := _next(pieces)) is not None:
                    work(index)
            except BaseException:
                pieces.clear()
                raise

    jobs = [Job(drain) for _ in range(min(thread_count(), count) - 1)]
    _ensure_helpers(len(jobs))
    user = object()
    # Ctrl-C can strike between any two lines: whatever has to be undone stands inside `try`,
    # and undoing what was never done does no harm.
    try:
        _start_blas_use(user)
        for job in jobs:
            _jobs.put(job)
        drain()
    finally:
        try:
            for job in jobs:
                job.finish()
        finally:
            _end_blas_use(user)
    for job in jobs:
        if job.error is not None:
            raise job.error


def _next(pieces: deque[int]) -> int | None:
    """Take a piece that nobody else has. A deque is thread-safe, also without the GIL."""
    try:
        return pieces.popleft()
    except IndexError:
        return None


def _start_blas_use(user: object) -> None:
    """BLAS uses one thread until the last user has ended, and then what it used before."""
    global _blas_threads
    with _lock:
        _blas_users.add(user)
        if _blas_threads is None:
            _blas_threads = [library.get_num_threads() for library in _blas_libraries()]
            _set_blas_threads([1] * len(_blas_threads))


def _end_blas_use(user: object) -> None:
    global _blas_threads
    with _lock:
        _blas_users.discard(user)
        if not _blas_users and _blas_threads is not None:
            _set_blas_threads(_blas_threads)
            _blas_threads = None


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
    global _lock, _jobs
    _lock, _jobs = Lock(), SimpleQueue()
    _helpers.clear()
    _blas_users.clear()  # they were threads too
    _end_blas_use(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
