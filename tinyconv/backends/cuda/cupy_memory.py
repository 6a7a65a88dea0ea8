"""Memory and recordings of a GPU, by CuPy: see memory.py for what each is for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from threading import Lock, RLock, get_ident
from typing import Any

import numpy as np

from tinyconv.backends.cuda import cublas
from tinyconv.backends.cuda.memory import Memory, Pool

_BUFFERS = 16  # of page-locked memory: copies that may be under way at a time
_LARGEST = 16 << 20  # bytes of one; what is larger goes in pieces


_uploading = Lock()  # several threads may predict
_recording = RLock()  # the stream of pools and recordings is one thread's at a time


class CupyMemory(Memory):
    """The part of a `CupyDevice` that allocates, copies and records."""

    xp: Any
    tf32: bool
    _stream: Any = None  # that captures, made when it is needed
    _blas: cublas.Cublas | None = None  # bound to it
    _tried = False
    within: CupyPool | None = None  # the pool that is in use
    _ring: list[tuple[Any, Any]]  # buffers of page-locked memory, each with its last copy
    _turn = 0

    # ---- memory ---------------------------------------------------------------------

    def missing_bytes(self, error: BaseException) -> int | None:
        """Of CuPy's own error, and of CUDA's, which does not say how much was asked for."""
        if isinstance(error, self.xp.cuda.memory.OutOfMemoryError):
            return int(getattr(error, "_size", 0))
        text = str(error)
        signs = ("cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "_ALLOC_FAILED")
        return 0 if any(sign in text for sign in signs) else None

    def release(self) -> None:
        """Of the device and of page-locked memory."""
        self.xp.get_default_memory_pool().free_all_blocks()
        self.xp.get_default_pinned_memory_pool().free_all_blocks()

    def pool(self) -> Pool:
        """A memory pool, in use on a stream of its own."""
        return CupyPool(self)

    def upload(self, values: np.ndarray, out: Any) -> None:
        """Through page-locked memory, from which the device copies when it comes to that.

        The buffers take turns; one is written again only when its last copy is over.
        """
        flat = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
        with _uploading:
            for start in range(0, flat.size, _LARGEST):
                self._copy(flat[start : start + _LARGEST], out.data + start)

    def _copy(self, values: np.ndarray, there: Any) -> None:
        """Bytes to an address of the device."""
        stream = self.xp.cuda.get_current_stream()
        if not hasattr(self, "_ring"):
            self._ring = [(None, None)] * _BUFFERS
        self._turn = (self._turn + 1) % _BUFFERS
        buffer, copied = self._ring[self._turn]
        if copied is None:
            copied = self.xp.cuda.Event(disable_timing=True)
        else:
            copied.synchronize()
        if buffer is None or buffer.nbytes < values.nbytes:
            buffer = self._page_locked(values.nbytes)
        buffer[: values.nbytes] = values
        there.copy_from_host_async(buffer.ctypes.data, values.nbytes, stream)
        copied.record(stream)
        self._ring[self._turn] = buffer, copied

    def _page_locked(self, size: int) -> np.ndarray:
        memory = self.xp.cuda.alloc_pinned_memory(max(size, 1))
        return np.frombuffer(memory, np.uint8, size)

    # ---- recordings -----------------------------------------------------------------

    @property
    def stream(self) -> Any:
        """On which recordings are made; it does not wait for the default stream by itself."""
        if self._stream is None:
            self._stream = self.xp.cuda.Stream(non_blocking=True)
        return self._stream

    @property
    def records(self) -> bool:  # type: ignore[override]
        """Whether cuBLAS can be called while recording; TINYCONV_CUDA_GRAPHS=0 says no."""
        if not self._tried:
            self._tried = True
            if os.environ.get("TINYCONV_CUDA_GRAPHS", "1") != "0":
                with contextlib.suppress(Exception):  # then steps are launched one by one
                    self._blas = self._own_blas()
        return self._blas is not None

    def _own_blas(self) -> cublas.Cublas:
        cuda = self.xp.cuda
        cuda.device.get_cublas_handle()  # CuPy finds the library and loads it
        library = cublas.load(cuda.runtime.runtimeGetVersion() // 1000)
        self._workspace = self.xp.empty(cublas.WORKSPACE, "uint8")
        pointer = int(self._workspace.data.ptr)

        def address(x: Any) -> int:
            return int(x.data.ptr)

        blas = cublas.Cublas(library, address, int(self.stream.ptr), pointer, self.tf32)
        with CupyPool(self):
            cublas.check(blas, self.xp, self.xp.asnumpy)
        return blas

    def product(self, a: Any, b: Any, out: Any) -> Any:
        """a @ b within a pool, where CuPy's own would refuse to be recorded; else None."""
        within = self.within
        if within is None or within.thread != get_ident():  # of another thread, on our stream
            return None
        if self._blas is None or a.dtype != b.dtype:
            return None
        if a.ndim < 2 or b.ndim < 2 or a.dtype.name not in ("float32", "float64"):
            return None
        if a.ndim > 2 and b.ndim > 2 and a.shape[:-2] != b.shape[:-2]:
            return None
        return self._blas.matmul(self.xp, a, b, out)

    def record(self, function: Callable[[], None], pool: Pool) -> Callable[[], None]:
        """A CUDA graph of what the function launches on the stream.

        Raises:
            RuntimeError: if the pool's memory changed: CuPy gives back what it holds of it when
                the device has no more, also where the graph would write.
        """
        stream, before = self.stream, pool.bytes
        with pool:
            stream.begin_capture()
            try:
                function()
            except BaseException:
                with contextlib.suppress(Exception):  # the capture is broken already
                    stream.end_capture()
                raise
            graph = stream.end_capture()
        if pool.bytes != before:
            raise RuntimeError(f"its memory changed from {before:,} to {pool.bytes:,} bytes")
        launch: Callable[[], None] = graph.launch
        return launch


class CupyPool(Pool):
    """A CuPy memory pool. CuPy keeps what is free by stream, so its use is bound to one.

    Attributes:
        thread: that uses it.
    """

    thread: int

    def __init__(self, device: CupyMemory) -> None:
        self._device, self._pool = device, device.xp.cuda.MemoryPool()

    @property
    def bytes(self) -> int:
        """All that it holds."""
        return int(self._pool.total_bytes())

    def __enter__(self) -> CupyPool:
        _recording.acquire()
        with contextlib.ExitStack() as stack:  # what was entered is left if the rest fails
            stack.callback(_recording.release)
            cuda = self._device.xp.cuda
            self._outer, self.thread = cuda.get_current_stream(), get_ident()
            self._device.stream.wait_event(self._outer.record())
            stack.callback(self._join)
            stack.enter_context(self._device.stream)
            stack.enter_context(cuda.using_allocator(self._pool.malloc))
            self._before, self._device.within = self._device.within, self
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._device.within = self._before
        self._stack.close()

    def _join(self) -> None:
        """What follows waits for what was launched here."""
        self._outer.wait_event(self._device.stream.record())
