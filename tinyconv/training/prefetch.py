"""The next batches are prepared by a thread while the current one computes."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Generator
from queue import SimpleQueue
from typing import Any

_AHEAD = 2  # batches that may wait; with the one in work they are all that is in memory
_PATIENCE = 2.0  # seconds that `close` waits for a batch that is being read


class Prefetch:
    """An iterator over the same items in the same order, read ahead by a thread.

    An exception comes out where its item would have come. The thread starts with the first
    item asked for and ends after the last, with `close()`, or when nobody holds this any more.

    Args:
        items: closed at the end, by the thread.
    """

    def __init__(self, items: Generator[Any, None, None]) -> None:
        self._lane = _Lane()
        self._thread = threading.Thread(
            target=_read, args=(items, self._lane), name="tinyconv-prefetch", daemon=True
        )
        self._process, self._over = os.getpid(), False
        self._finalizer = weakref.finalize(self, self._lane.stop)  # it must not hold `self`

    def __iter__(self) -> Prefetch:
        return self

    def __next__(self) -> Any:
        if self._over:
            raise StopIteration
        if os.getpid() != self._process:
            raise RuntimeError("the data are read by a thread that a forked process does not have")
        if self._thread.ident is None:
            self._thread.start()
        item, error, last = self._lane.ready.get()
        if error is None and not last:
            self._lane.permits.put(None)
            return item
        self.close()
        if error is None:
            raise StopIteration
        try:
            raise error
        finally:
            del error  # its traceback holds this frame, and this frame it

    def close(self) -> None:
        """End the thread; what it has read ahead is dropped."""
        self._over = True
        self._finalizer()
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(_PATIENCE)


class _Lane:
    """Between the two threads; neither queue ever holds its writer up, also after a fork.

    Attributes:
        permits: one for each item that may be read.
        ready: (item, exception, whether it was the last).
    """

    def __init__(self) -> None:
        self.permits: SimpleQueue[None] = SimpleQueue()
        self.ready: SimpleQueue[tuple[Any, BaseException | None, bool]] = SimpleQueue()
        self.stopped = False
        for _ in range(_AHEAD):
            self.permits.put(None)

    def stop(self) -> None:
        self.stopped = True
        self.permits.put(None)


def _read(items: Generator[Any, None, None], lane: _Lane) -> None:
    try:
        while True:
            lane.permits.get()
            if lane.stopped:
                break
            try:
                item = next(items)
            except StopIteration:
                lane.ready.put((None, None, True))
                break
            lane.ready.put((item, None, False))
            del item  # else it would live until the next is there
    except BaseException as error:  # the thread that asks for the item is to see it
        lane.ready.put((None, error, False))
    finally:
        items.close()
