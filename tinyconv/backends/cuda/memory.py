"""Memory of a device, and what is told when there is too little of it.

A batch that does not fit fails somewhere inside of a layer, with the bytes of one array. What
a user wants to know is another thing: how much the whole batch takes, how much there is, and
which batch would fit. So halves of the batch are tried, in memory that is counted, until one
fits; its bytes a sample tell what the batch would have taken.
"""

from __future__ import annotations

import contextlib
import gc
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


class DeviceMemoryError(MemoryError):
    """A device has too little memory for a batch.

    Attributes:
        needed: bytes that the batch takes.
        free: bytes that there are for it.
        batch_size: one that fits, tried; None where none does or none could be tried.
    """

    def __init__(self, message: str, needed: int, free: int, batch_size: int | None) -> None:
        super().__init__(message)
        self.needed, self.free, self.batch_size = needed, free, batch_size


class Pool(contextlib.AbstractContextManager["Pool"]):
    """Where arrays that are made inside of `with pool:` get their memory.

    It keeps what was freed, and gives all back when nobody holds it any more.
    """

    @property
    def bytes(self) -> int:
        """What it has taken from the device: the most that was in use at a time."""
        return 0

    def __exit__(self, *error: object) -> None:
        pass


class Memory:
    """The part of a device that knows of its memory; the defaults are a host's."""

    records = False  # whether `record` works

    def free_bytes(self) -> int:
        """Memory that arrays can still take."""
        raise NotImplementedError

    def missing_bytes(self, error: BaseException) -> int | None:
        """The bytes that could not be had, if the error is about that; else None."""
        return None

    def release(self) -> None:
        """Give back what is kept of memory that was freed."""

    def pool(self) -> Pool:
        """A new one."""
        return Pool()

    def upload(self, values: np.ndarray, out: Any) -> None:
        """Copy from the host, of the same shape and dtype; Python does not wait for it."""
        out[...] = values

    def record(self, function: Callable[[], None], pool: Pool) -> Callable[[], None]:
        """Call a function, but only note what it launches: what is returned launches that.

        Args:
            function: it reads no number, and its arrays come from the pool, which has them.
        """
        raise NotImplementedError("this device does not record")


def too_little(
    device: Memory,
    owner: str,
    samples: int,
    error: BaseException,
    attempt: Callable[[int], None] | None,
) -> DeviceMemoryError | None:
    """What to raise for an error of a batch; None if it is not about memory.

    Args:
        device: that it was raised on.
        owner: named in the message.
        samples: of the batch.
        error: what it holds of arrays is let go.
        attempt: tries a batch of so many samples without changing anything; None where
            that can't be done.
    """
    asked = device.missing_bytes(error)
    if asked is None or not let_go(device, error):
        return None
    free, number = device.free_bytes(), samples // 2 if attempt is not None else 0
    while number:
        taken = _bytes_of(device, number, attempt)
        if taken is not None:
            needed = max(taken * samples // number, asked)
            message = (
                f"{owner}: a batch of {samples:,} samples needs about {size_text(needed)} on the "
                f"device, of which {size_text(free)} are free. batch_size={number} fits"
            )
            return DeviceMemoryError(message, needed, free, number)
        number //= 2
    reason = "not even one sample fits" if attempt is not None else "try a smaller batch_size"
    message = (
        f"{owner}: a batch of {samples:,} samples needs more memory than the device has: of "
        f"{size_text(free)} that were free before it, {size_text(asked)} could not be had; {reason}"
    )
    return DeviceMemoryError(message, asked, free, None)


def let_go(device: Memory, error: BaseException) -> bool:
    """Whether an error is about memory; what it holds of that is then free again."""
    if device.missing_bytes(error) is None:
        return False
    traceback.clear_frames(error.__traceback__)  # they hold the arrays of the batch
    gc.collect()
    device.release()
    return True


def _bytes_of(device: Memory, samples: int, attempt: Any) -> int | None:
    """What a batch of so many samples takes; None if it does not fit."""
    pool = device.pool()
    try:
        with pool:
            attempt(samples)
        return pool.bytes
    except Exception as error:
        if not let_go(device, error):
            raise
        return None
    finally:
        del pool
        gc.collect()
        device.release()


def size_text(count: int) -> str:
    """1.5 GiB (1,610,612,736 bytes)."""
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name} ({count:,} bytes)"
    return f"{count:,} bytes"
