"""A device on the host that is as strict as a GPU.

Its arrays are NumPy's inside, but NumPy cannot get at them, as at CuPy's: only `to_numpy`,
float() and the like read them, and each reading is counted, for a GPU would wait. Memory can
be limited. A recording runs what is launched in order to know shapes, puts all memory back,
and repeats the same launches on the same memory later.

What it cannot show: launches that overlap, memory that a CUDA graph shares with somebody
else, and what CUDA itself forbids while a stream is captured.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from tests.backends.cuda.host import HostDevice
from tests.backends.cuda.strict_array import Module, StrictArray, arrays_in, bare
from tinyconv.backends.cuda.memory import Pool


class OutOfMemoryError(MemoryError):
    def __init__(self, size: int) -> None:
        super().__init__(f"out of memory allocating {size} bytes")
        self.size = size


class _CountedPool(Pool):
    def __init__(self, device: Any) -> None:
        self._device, self._used, self._most = device, 0, 0

    @property
    def bytes(self) -> int:
        return self._most

    def __enter__(self) -> _CountedPool:
        self._device.pools.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        self._device.pools.remove(self)

    def take(self, size: int) -> None:
        self._used += size
        self._most = max(self._most, self._used)


class StrictDevice(HostDevice):
    """A `HostDevice` with arrays of its own.

    Args:
        memory: bytes that arrays can take.
    """

    def __init__(self, memory: int = 1 << 32, records: bool = True) -> None:
        super().__init__()
        self.memory, self.used, self.records = memory, 0, records
        self.xp: Any = Module(self)
        self.reads = self.launches = self.uploads = self.repeated = 0
        self.pools: list[_CountedPool] = []
        self._tape: list[Any] | None = None
        self._live: dict[int, weakref.ref[StrictArray]] = {}

    # ---- memory

    def took(self, array: StrictArray) -> None:
        size = array.a.nbytes
        if self.used + size > self.memory:
            raise OutOfMemoryError(size)
        pool = self.pools[-1] if self.pools else None
        self.used += size
        if pool is not None:
            pool.take(size)
        self._live[id(array)] = weakref.ref(array)
        weakref.finalize(array, self._gave, id(array), size, pool)

    def _gave(self, number: int, size: int, pool: _CountedPool | None) -> None:
        self._live.pop(number, None)
        self.used -= size
        if pool is not None:
            pool.take(-size)

    def free_bytes(self) -> int:
        return self.memory - self.used

    def missing_bytes(self, error: BaseException) -> int | None:
        return error.size if isinstance(error, OutOfMemoryError) else None

    def pool(self) -> Pool:
        return _CountedPool(self)

    # ---- arrays

    def read(self, x: StrictArray) -> np.ndarray:
        if self._tape is not None:
            raise RuntimeError("a number is read while a step is recorded")
        self.reads += 1
        return x.a

    def asarray(self, values: Any, dtype: Any = None) -> Any:
        if isinstance(values, StrictArray):
            same = dtype is None or values.dtype == np.dtype(dtype)
            return values if same else values.astype(dtype)
        if self._tape is not None:
            raise RuntimeError("an array comes from the host while a step is recorded")
        self.uploads += 1
        return StrictArray(self, np.array(values, dtype))

    def upload(self, values: np.ndarray, out: Any) -> None:
        if self._tape is not None:
            raise RuntimeError("an array comes from the host while a step is recorded")
        assert values.shape == out.shape
        assert values.dtype == out.dtype
        self.uploads += 1
        out.a[...] = values

    def to_numpy(self, x: Any) -> np.ndarray:
        return self.read(x).copy() if isinstance(x, StrictArray) else np.asarray(x)

    def address(self, x: Any) -> int:
        return super().address(x.a)

    def matmul(self, a: Any, b: Any, out: Any = None) -> Any:
        return self.call(np.matmul, (a, b), {} if out is None else {"out": out})

    # ---- launches

    def call(self, function: Any, arguments: Any, named: Any) -> Any:
        """A function of NumPy on arrays of this device: its result is one, too."""
        args, kw = bare(arguments), bare(named)
        self.launches += 1
        with np.errstate(all="ignore"):  # a device says nothing about NaN
            result = function(*args, **kw)
        out = named.get("out")
        if result is None or out is not None:
            self._note(lambda: function(*args, **kw))
            return out[0] if isinstance(out, tuple) else out
        given = list(arrays_in((arguments, named)))
        return self._wrapped(result, given, lambda: function(*args, **kw))

    def _wrapped(self, result: Any, given: list[StrictArray], again: Any) -> Any:
        if isinstance(result, (tuple, list)):
            parts = [
                self._wrapped(each, given, lambda n=n: again()[n]) for n, each in enumerate(result)
            ]
            return type(result)(parts)
        if not isinstance(result, (np.ndarray, np.generic)):
            return result  # a shape, a dtype
        for array in given:
            if result is array.a:
                return array
            if isinstance(result, np.ndarray) and np.may_share_memory(result, array.a):
                return StrictArray(self, result, array if array.base is None else array.base)
        owned = np.array(result)
        self._note(lambda: np.copyto(owned, again()))
        return StrictArray(self, owned)

    def _run(self, file: str, function: str, *rest: Any) -> None:
        *sizes, arguments = rest
        plain = tuple(bare(list(arguments)))
        for x in arguments:
            assert not isinstance(x, np.ndarray), f"{file}:{function}: an array of the host"
        again = super()._run
        self.launches += 1
        again(file, function, *sizes, plain)
        self._note(lambda: again(file, function, *sizes, plain))

    # ---- recordings

    def _note(self, launch: Any) -> None:
        if self._tape is not None:
            self._tape.append(launch)

    def record(self, function: Any, pool: Pool) -> Any:
        before = [
            (x.a, x.a.copy()) for x in (r() for r in list(self._live.values())) if x is not None
        ]
        self._tape = tape = []
        try:
            with pool, np.errstate(all="ignore"):  # what a step reads is not there yet
                function()
        finally:
            self._tape = None
            for memory, values in before:
                memory[...] = values

        def launch() -> None:
            self.launches += 1
            self.repeated += 1
            with np.errstate(all="ignore"):
                for each in tape:
                    each()

        return launch
