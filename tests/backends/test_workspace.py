"""Memory that is used again: never while somebody can see it, always afterwards."""

import gc
import os
import sys
import threading

import numpy as np
import pytest

from tinyconv.backends.numba import workspace
from tinyconv.backends.numba.workspace import ALIGNMENT, SMALLEST, Pool, several

LARGE = SMALLEST  # bytes, the fewest that the pool looks after


@pytest.fixture
def pool() -> Pool:
    return Pool(capacity=16 * LARGE)


def address(array: np.ndarray) -> int:
    return array.ctypes.data


VIEWS = {
    "itself": lambda a: a,
    "slice": lambda a: a[3:],
    "one row": lambda a: a[7],
    "transposed": lambda a: a.T,
    "reshaped": lambda a: a.reshape(-1)[5:].reshape(-1, 1),
    "other dtype": lambda a: a.view(np.uint8),
    "view of a view": lambda a: a[1:][:, ::2].T[1:],
    "asarray": lambda a: np.asarray(a),
    "memoryview": lambda a: memoryview(a),
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
}


@pytest.mark.parametrize("name", VIEWS)
def test_memory_is_not_used_again_while_a_view_lives(pool: Pool, name: str):
    array = pool.empty((64, 128), np.float32)
    array[...] = 1
    where = address(array)
    view = VIEWS[name](array)
    content = np.asarray(view).tobytes()
    del array
    others = [pool.empty((64, 128), np.float32) for _ in range(4)]
    for other in others:
        assert address(other) != where
        other[...] = 2
    assert np.asarray(view).tobytes() == content
    del view
    assert address(pool.empty((64, 128), np.float32)) == where


def test_the_memory_freed_last_comes_first(pool: Pool):
    first, second = pool.empty((LARGE,), np.uint8), pool.empty((LARGE,), np.uint8)
    wanted = address(first)
    del second, first
    assert address(pool.empty((LARGE,), np.uint8)) == wanted


def test_a_request_takes_up_to_twice_its_size(pool: Pool):
    array = pool.empty((2 * LARGE,), np.uint8)
    where = address(array)
    del array
    tiny, half = pool.empty((LARGE // 2,), np.uint8), pool.empty((LARGE + ALIGNMENT,), np.uint8)
    assert address(half) == where
    assert half.nbytes == LARGE + ALIGNMENT
    assert tiny.base is None


@pytest.mark.parametrize("shape", [(LARGE,), (3, LARGE // 2), (5, 7, LARGE)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
def test_arrays_are_ordinary(pool: Pool, shape: tuple[int, ...], dtype: type):
    array = pool.empty(shape, dtype)
    assert (array.shape, array.dtype) == (shape, dtype)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert address(array) % ALIGNMENT == 0


@pytest.mark.parametrize("shape", [(), (0,), (0, 5), (3,)])
def test_small_and_empty_arrays_do_without_the_pool(pool: Pool, shape: tuple[int, ...]):
    array = pool.empty(shape, np.float32)
    assert array.shape == shape
    assert array.base is None


def test_what_waits_stays_below_the_capacity(pool: Pool):
    arrays = [pool.empty((size,), np.uint8) for size in range(LARGE, 3 * LARGE, LARGE // 16)]
    assert sum(array.nbytes for array in arrays) > 3 * pool.capacity
    while arrays:
        arrays.pop()
        assert 0 < pool.free_bytes <= pool.capacity
    assert pool.free_bytes == sum(size * len(raw) for size, raw in pool._free.items())
    huge = pool.empty((2 * pool.capacity,), np.uint8)
    del huge
    assert pool.free_bytes <= pool.capacity


def test_a_reference_cycle_keeps_its_memory_until_it_is_collected(pool: Pool):
    array = pool.empty((LARGE,), np.uint8)
    where = address(array)
    cycle = {"array": array[1:]}
    cycle["self"] = cycle
    gc.disable()
    try:
        del array, cycle
        assert address(pool.empty((LARGE,), np.uint8)) != where
        gc.collect()
        again = [pool.empty((LARGE,), np.uint8) for _ in range(2)]
        assert where in map(address, again)
    finally:
        gc.enable()


def test_several_arrays_share_a_piece_of_memory_and_nothing_else():
    gc.collect()
    shapes = (3, 1000, 7), (1, 1), (2, 9999)
    arrays = several(np.dtype("float64"), *shapes)
    for number, (array, shape) in enumerate(zip(arrays, shapes, strict=True)):
        assert array.shape == shape
        assert array.flags.c_contiguous
        assert address(array) % ALIGNMENT == 0
        array[...] = number
    for number, array in enumerate(arrays):
        assert (array == number).all()
    where, last = address(arrays[0]), arrays[2]
    del array, arrays
    waiting = workspace._pool.free_bytes
    del last  # the memory goes back with the last of them
    assert workspace._pool.free_bytes > waiting
    assert address(several(np.dtype("float64"), *shapes)[0]) == where


def test_memory_may_come_back_while_the_pool_is_busy(pool: Pool):
    """As when the garbage collector strikes inside `empty`: no waiting for a lock held here."""
    array = pool.empty((LARGE,), np.uint8)
    where = address(array)
    with pool._lock:
        del array
        assert pool.free_bytes == 0
    assert address(pool.empty((LARGE,), np.uint8)) == where


def test_threads_never_share_memory(pool: Pool):
    errors: list[int] = []

    def work(number: int) -> None:
        for turn in range(300):
            arrays = [pool.empty((LARGE + 64 * (turn % 5),), np.uint8) for _ in range(3)]
            for array in arrays:
                array[...] = number
            if any((array != number).any() for array in arrays):
                errors.append(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert pool.free_bytes <= pool.capacity


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_leaves_the_lock_open_and_nothing_waiting(monkeypatch):
    """What the child does after a fork; tests/backends/test_threads.py forks in earnest."""
    monkeypatch.setattr(workspace, "_pool", pool := Pool(16 * LARGE))
    kept = pool.empty((LARGE,), np.uint8)
    freed = pool.empty((LARGE,), np.uint8)
    del freed
    pool._lock.acquire()
    workspace._forget()
    assert pool.free_bytes == 0
    where = address(kept)
    del kept  # taken before the fork, given back after it
    assert address(pool.empty((LARGE,), np.uint8)) == where


def test_no_python_runs_where_memory_is_given_back(pool: Pool):
    """In a `__del__` the exception of a Ctrl-C would get lost."""
    array, called = pool.empty((LARGE,), np.uint8), []
    sys.setprofile(lambda frame, event, _: called.append((event, frame.f_code.co_name)))
    del array
    sys.setprofile(None)
    assert [name for event, name in called if event == "call"] == []
    assert pool.free_bytes >= LARGE


def test_what_waits_goes_back_to_the_system_when_that_has_no_more(pool: Pool, monkeypatch):
    def scarce(size: int) -> workspace.Memory:
        if pool._free:
            raise MemoryError(f"Unable to allocate {size} bytes")
        return whole(size)

    array = pool.empty((LARGE,), np.uint8)
    del array
    whole = workspace.Memory
    monkeypatch.setattr(workspace, "Memory", scarce)
    assert pool.empty((8 * LARGE,), np.uint8).nbytes == 8 * LARGE
    assert pool.free_bytes == 8 * LARGE + ALIGNMENT


def test_who_needs_too_much_is_told(pool: Pool):
    with pytest.raises(MemoryError, match="Unable to allocate"):
        pool.empty((1 << 62,), np.uint8)
