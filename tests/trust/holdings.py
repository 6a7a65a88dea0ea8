"""What a process holds at a moment: memory, threads, files, and whatever grows by being used."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections import deque
from pathlib import Path
from typing import Any, NamedTuple

from tinyconv.backends.numba import workspace
from tinyconv.backends.numba.convolution import winograd_kernels

_MIB = 1 << 20


class Holdings(NamedTuple):
    """All of it, counted after a garbage collection.

    Attributes:
        own: MiB of resident memory that is nobody else's and no file's.
        mapped: MiB of files in it, libraries mostly; the system drops what was not used lately.
        threads: that the system counts, those of libraries included.
        files: open file descriptors.
        pool: MiB of freed arrays that wait to be used again.
        winograd: MiB of transformed kernels.
        cached: entries of all `lru_cache`s of tinyconv.
        containers: entries of the dicts, lists and sets that are global in tinyconv's modules.
        compiled: kernels that Numba holds, one for each combination of types.
        objects: that the garbage collector watches.
    """

    own: float
    mapped: float
    threads: int
    files: int
    pool: float
    winograd: float
    cached: int
    containers: int
    compiled: int
    objects: int


def holdings() -> Holdings:
    """Those of this process (Linux, whose /proc tells them)."""
    gc.collect()
    objects = gc.get_objects()
    return Holdings(
        own=_status("RssAnon"),
        mapped=_status("RssFile") + _status("RssShmem"),
        threads=len(os.listdir("/proc/self/task")),
        files=len(os.listdir("/proc/self/fd")) - 1,  # the folder that is being listed
        pool=workspace._pool.free_bytes / _MIB,
        winograd=winograd_kernels.kept_bytes() / _MIB,
        cached=sum(_cached(each) for each in objects),
        containers=sum(map(len, _containers())),
        compiled=sum(len(each.overloads) for each in objects if _is_kernel(each)),
        objects=len(objects),
    )


def _status(name: str) -> float:
    """A line of what the system says about this process, in MiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def _cached(found: Any) -> int:
    if type(found) is not functools._lru_cache_wrapper:
        return 0
    ours = (getattr(found, "__module__", None) or "").startswith("tinyconv")
    return found.cache_info().currsize if ours else 0


def _containers() -> list[Any]:
    modules = [module for name, module in sys.modules.items() if name.startswith("tinyconv")]
    return [
        value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, (dict, list, set, deque)) and not name.startswith("__")
    ]


def _is_kernel(found: Any) -> bool:
    return type(found).__name__ in ("CPUDispatcher", "Dispatcher") and hasattr(found, "overloads")
