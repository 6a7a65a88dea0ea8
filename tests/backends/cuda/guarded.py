"""A device on the host whose kernels cannot touch what is beside their arrays.

For each launch the arrays are copied to memory of their own between two pages that nobody
may read or write: who does ends the process. `python -m tests.backends.cuda.guarded end`
runs every operation so (or `start`, with the arrays at the other guard).
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import sys
from typing import Any

import numpy as np

from tests.backends.cuda.host import HostDevice

_PAGE = mmap.PAGESIZE
_PROT_NONE = 0  # which Python does not name
_LIBC = ctypes.CDLL(None, use_errno=True)


class GuardedDevice(HostDevice):
    """Arrays end where their guard begins (but for what is missing to 16 bytes).

    Args:
        at_start: they begin where the guard before them ends, instead.
    """

    def __init__(self, at_start: bool = False) -> None:
        super().__init__()
        self.at_start = at_start

    def _run(self, *launch: Any) -> None:
        *how, arguments = launch
        copies: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

        def inside(argument: Any) -> Any:
            if not isinstance(argument, np.ndarray) or argument.size == 0:
                return argument
            key = argument.ctypes.data, argument.nbytes
            if key not in copies:
                copies[key] = argument, self._guarded(argument)
            copy = copies[key][1]
            return copy.view(argument.dtype).reshape(argument.shape)

        super()._run(*how, tuple(inside(argument) for argument in arguments))
        for original, copy in copies.values():
            if original.flags.writeable:
                original[...] = copy.view(original.dtype).reshape(original.shape)

    def _guarded(self, x: np.ndarray) -> np.ndarray:
        """The bytes of x between two guards; where x is not aligned, neither is the copy."""
        room = -(-(x.nbytes + 16) // _PAGE) * _PAGE
        memory = mmap.mmap(-1, room + 2 * _PAGE)
        first = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for guard in (first, first + _PAGE + room):
            assert _LIBC.mprotect(ctypes.c_void_p(guard), _PAGE, _PROT_NONE) == 0
        odd = x.ctypes.data % 16
        place = _PAGE + odd
        if not self.at_start:
            place = _PAGE + room - -(-(x.nbytes + odd) // 16) * 16 + odd
        bytes_ = np.frombuffer(memory, np.uint8, x.nbytes, place)
        bytes_[...] = np.ascontiguousarray(x).reshape(-1).view(np.uint8)
        return bytes_


def main(at_start: bool) -> None:
    """Every operation at every case, each named before it runs."""
    from tests.backends.calling import call
    from tests.backends.cases import CASES
    from tests.backends.test_optimizers import VARIANTS, empty_slots, update
    from tinyconv.backends.cuda import CudaBackend

    faulthandler.enable()
    backend = CudaBackend(GuardedDevice(at_start))
    for dtype in ("float32", "float64"):
        for case in CASES:
            print(case.name, dtype, flush=True)
            call(backend, case.operation, *case.arguments(dtype))
        for variant in VARIANTS:
            print(variant, dtype, flush=True)
            for size in (1, 4099):
                buffers = np.ones(size, dtype), np.ones(size, dtype)
                update(backend, variant, *buffers, empty_slots(variant, size, dtype))
    print("all inside")


if __name__ == "__main__":
    main(at_start=sys.argv[1] == "start")
