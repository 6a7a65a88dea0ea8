"""How many cores are used: `set_num_threads`, `get_num_threads`.

There is one pool of threads, Numba's; large products are computed by its threads, too, not
by those of BLAS, with which only the numpy backend multiplies. Numba takes the first pool that
it finds of: OpenMP (kernels start in microseconds, and several Python threads may start them),
TBB, and its own "workqueue" (kernels of several Python threads wait for one another).
NUMBA_THREADING_LAYER or NUMBA_THREADING_LAYER_PRIORITY choose another order.
"""

from __future__ import annotations

import operator


def get_num_threads() -> int:
    """Threads that operations use; by default one for each core, or NUMBA_NUM_THREADS."""
    from tinyconv.backends.numba import threads

    return threads.thread_count()


def set_num_threads(num_threads: int) -> None:
    """Use so many threads from now on, in the whole process, BLAS included.

    Sums are split among the threads, so results are the same, bit for bit, for the same
    number of threads only.

    Raises:
        TypeError: for what is not a whole number.
        ValueError: below 1, or above the number that Numba has started with.
    """
    from tinyconv.backends.numba import threads

    try:
        count = operator.index(num_threads)
    except TypeError:
        raise TypeError(f"num_threads must be a whole number. Received: {num_threads!r}") from None
    most = threads.most_threads()
    if not 1 <= count <= most:
        raise ValueError(
            f"num_threads must be between 1 and {most}, the number of cores or NUMBA_NUM_THREADS. "
            f"Received: {num_threads!r}"
        )
    threads.set_thread_count(count)
