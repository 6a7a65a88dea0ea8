"""Memory that is used again: `empty` is np.empty for the large results of a step.

Fresh memory is expensive. The operating system hands out each page of 4 KiB only
when it is first touched, after clearing it, and takes large ones back as soon as
they are freed: for a training step that is thousands of page faults, every step
the same. Here freed memory waits in a pool for the next array of its size.

How does the pool learn that an array is no longer used? The array never owns its
memory, a `Block` does:

    block = Block(...)            # offers its memory through __array_interface__
    array = np.asarray(block)     # array.base is block
    view = array[1:].reshape(-1)  # view.base is array or block, never nothing

NumPy keeps the base of an array alive as long as the array, and every view keeps
the array it was cut from. So a Block is deleted exactly when its last view is, and
a weak reference to it then returns the memory. No array in use can be handed out twice,
and nobody has to say when an array is finished.

What is called when a Block dies is a function written in C, `deque.append`, and no method
`__del__` in Python: Python would run the handler of Ctrl-C in there, and what is raised in
a `__del__` goes nowhere. Kernels are where the time goes and Blocks die when they return, so
Ctrl-C would now and then be lost.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections import OrderedDict, deque
from typing import Any

import numpy as np

from tinyconv.backends.base import Array

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register
SMALLEST = 1 << 14  # bytes; malloc serves smaller arrays just as fast
CAPACITY = 1 << 29  # bytes that may wait in the pool


class Memory:
    """Bytes of the pool, in use or not, and where in them an array may begin."""

    __slots__ = ("address", "nbytes", "raw")

    def __init__(self, size: int) -> None:
        self.nbytes = size + ALIGNMENT
        self.raw = np.empty(self.nbytes, np.uint8)
        start = self.raw.ctypes.data
        self.address = start + -start % ALIGNMENT


class Block:
    """A piece of memory in use."""

    __slots__ = ("__array_interface__", "__weakref__", "_memory")

    def __init__(self, memory: Memory, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._memory = memory
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "data": (memory.address, False),
        }


class Loan(weakref.ref[Block]):
    """A Block's memory, held until the Block has died."""

    __slots__ = ("memory",)
    memory: Memory


class Pool:
    """Free memory by size; when too much is waiting, what was freed first goes first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._loans: set[Loan] = set()
        self._returned: deque[Loan] = deque()
        self.forget()

    def forget(self) -> None:
        """Begin anew: nothing waits, and nobody holds the lock."""
        self._lock = threading.Lock()
        self._free: OrderedDict[int, list[Memory]] = OrderedDict()  # stalest size first
        self._free_bytes = 0
        while self._returned:
            self._loans.discard(self._returned.popleft())

    @property
    def free_bytes(self) -> int:
        """What waits to be used again."""
        self.tidy()
        return self._free_bytes

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """An uninitialised array, aligned to 64 bytes where it is large."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if size < SMALLEST:
            return np.empty(shape, dtype)
        with self._lock:
            if self._returned:
                self._tidy()
            memory = self._take(size + ALIGNMENT)
        if memory is None:
            memory = self._fresh(size)
        block = Block(memory, shape, dtype)
        loan = Loan(block, self._returned.append)
        loan.memory = memory
        self._loans.add(loan)
        return np.asarray(block)

    def _fresh(self, size: int) -> Memory:
        """Memory of the system's; what waits here goes back to it if it has no more."""
        try:
            return Memory(size)
        except MemoryError:
            with self._lock:
                self._free, self._free_bytes = OrderedDict(), 0
            return Memory(size)

    def tidy(self) -> None:
        """Take back what has been returned, unless somebody is at it: `empty` does so too.

        A Block may die anywhere, also where this thread holds the lock: the garbage collector
        strikes inside `empty`, say. So its death only puts it on a list, which needs no lock.
        """
        if self._lock.acquire(blocking=False):
            try:
                self._tidy()
            finally:
                self._lock.release()

    def _take(self, size: int) -> Memory | None:
        """Free memory of that size, else of up to twice the size, else None."""
        fits = size
        if fits not in self._free:
            fits = min((s for s in self._free if size < s <= 2 * size), default=0)
            if not fits:
                return None
        waiting = self._free[fits]
        memory = waiting.pop()  # the one freed last: likely still in the cache
        if not waiting:
            del self._free[fits]
        self._free_bytes -= fits
        return memory

    def _tidy(self) -> None:
        """Sort what has been returned into the free lists, and drop what is too much."""
        while self._returned:
            loan = self._returned.popleft()
            self._loans.discard(loan)
            memory = loan.memory
            self._free.setdefault(memory.nbytes, []).append(memory)
            self._free.move_to_end(memory.nbytes)
            self._free_bytes += memory.nbytes
        while self._free_bytes > self.capacity:
            size, waiting = next(iter(self._free.items()))
            waiting.pop(0)
            if not waiting:
                del self._free[size]
            self._free_bytes -= size


_pool = Pool(CAPACITY)
empty, tidy = _pool.empty, _pool.tidy


def several(dtype: np.dtype, *shapes: tuple[int, ...]) -> list[Array]:
    """Uninitialised arrays that are used together: one piece of memory, asked for once.

    Each begins on a cache line, and all are returned when the last of them dies.
    """
    line = ALIGNMENT // dtype.itemsize
    starts = [0]
    for shape in shapes:
        starts.append(starts[-1] + -(-math.prod(shape) // line) * line)
    memory = empty((starts[-1],), dtype)
    return [
        memory[start : start + math.prod(shape)].reshape(shape)
        for start, shape in zip(starts, shapes, strict=False)
    ]


def _forget() -> None:
    """After a fork: another thread of the parent may have held the lock, halfway through."""
    _pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
