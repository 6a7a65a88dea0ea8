"""What CuPy is asked for, answered by a module that has the same functions.

That they do what their names say, only a GPU can show.
"""

import contextlib
import importlib.util
import types

import numpy as np
import pytest

from tinyconv.backends.cuda import cupy_memory
from tinyconv.backends.cuda.cupy_memory import CupyMemory, CupyPool


class Stream:
    def __init__(self, log, name):
        self.log, self.name, self.ptr, self.fails = log, name, 7, False

    def __enter__(self):
        self.log.append(f"use {self.name}")

    def __exit__(self, *error):
        self.log.append(f"leave {self.name}")

    def record(self):
        self.log.append(f"record {self.name}")
        return types.SimpleNamespace(of=self.name)

    def wait_event(self, event):
        self.log.append(f"{self.name} waits for {event.of}")

    def begin_capture(self):
        self.log.append("begin")

    def end_capture(self):
        self.log.append("end")
        if self.fails:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated")
        return types.SimpleNamespace(launch=lambda: self.log.append("launch"))


class Event:
    """A mark on a stream, which can be set again."""

    def __init__(self, log):
        self.log = log
        log.append("event")

    def record(self, stream):
        assert stream.name == "outer"

    def synchronize(self):
        self.log.append("synchronize")


class Address:
    """Memory of a device, as a pointer into a buffer."""

    def __init__(self, buffer, at=0):
        self.buffer, self.at = buffer, at

    def __add__(self, offset):
        return Address(self.buffer, self.at + offset)

    def copy_from_host_async(self, address, size, stream):
        assert stream.name == "outer"
        bytes_ = (np.ctypeslib.ctypes.c_char * size).from_address(address)
        self.buffer[self.at : self.at + size] = np.frombuffer(bytes_, np.uint8)


class OutOfMemoryError(MemoryError):
    _size = 123


class Device(CupyMemory):
    def __init__(self):
        self.log, self.tf32 = [], False
        self.pinned = []
        log = self.log

        @contextlib.contextmanager
        def using(allocator):
            log.append("pool")
            yield
            log.append("no pool")

        def pinned(size):
            self.pinned.append(size)
            return bytearray(size)

        outer = Stream(log, "outer")
        self.held = 99
        made = types.SimpleNamespace(malloc=None, total_bytes=lambda: self.held)
        freed = types.SimpleNamespace(free_all_blocks=lambda: log.append("free"))
        self.xp = types.SimpleNamespace(
            get_default_memory_pool=lambda: freed,
            get_default_pinned_memory_pool=lambda: freed,
            cuda=types.SimpleNamespace(
                get_current_stream=lambda: outer,
                Event=lambda disable_timing: Event(log),
                Stream=lambda non_blocking: Stream(log, "own"),
                MemoryPool=lambda: made,
                using_allocator=using,
                alloc_pinned_memory=pinned,
                memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            ),
        )


IN = ["record outer", "own waits for outer", "use own", "pool"]
OUT = ["no pool", "leave own", "record own", "outer waits for own"]


def test_a_pool_is_used_on_the_recording_s_stream():
    device = Device()
    pool = device.pool()
    assert isinstance(pool, CupyPool)
    with pool:
        assert device.within is pool
    assert device.within is None
    assert device.log == IN + OUT
    assert pool.bytes == 99


def test_a_recording_is_made_in_the_pool_and_launched_outside():
    device = Device()
    launch = device.record(lambda: device.log.append("step"), device.pool())
    assert device.log == [*IN, "begin", "step", "end", *OUT]
    launch()
    assert device.log[-1] == "launch"


def test_a_recording_that_fails_is_ended():
    device = Device()
    device.stream.fails = True

    def step():
        raise NotImplementedError("a step")

    with pytest.raises(NotImplementedError, match="a step"):
        device.record(step, device.pool())
    assert device.log == [*IN, "begin", "end", *OUT]
    assert device.within is None


@pytest.mark.parametrize("change", [-64, 64])
def test_a_recording_whose_memory_changed_is_dropped(change):
    """CuPy frees what captured launches use when the device has no more."""
    device = Device()

    def step():
        device.held += change

    with pytest.raises(RuntimeError, match=f"from 99 to {99 + change} bytes"):
        device.record(step, device.pool())
    assert device.log == [*IN, "begin", "end", *OUT]


@pytest.mark.parametrize(
    "values",
    [
        np.arange(10, dtype="float32"),
        np.arange(24, dtype="int64").reshape(4, 6).T,
        np.array(3.5),
        np.array([True, False]),
        np.empty((0, 3)),
    ],
)
def test_uploads(values, monkeypatch):
    monkeypatch.setattr(cupy_memory, "_LARGEST", 16)
    device = Device()
    there = np.zeros(values.nbytes, np.uint8)
    device.upload(values, types.SimpleNamespace(data=Address(there)))
    np.testing.assert_array_equal(there.view(values.dtype).reshape(values.shape), values)
    assert all(size <= 16 for size in device.pinned)


def test_a_buffer_is_written_again_when_its_copy_is_over():
    device = Device()
    there = np.zeros(4, np.uint8)
    out = types.SimpleNamespace(data=Address(there))
    for number in range(cupy_memory._BUFFERS):
        device.upload(np.full(4, number, np.uint8), out)
    assert "synchronize" not in device.log
    device.upload(np.full(4, 77, np.uint8), out)
    assert device.log.count("synchronize") == 1
    assert device.log.count("event") == cupy_memory._BUFFERS  # each is used again
    assert len(device.pinned) == cupy_memory._BUFFERS
    assert (there == 77).all()


def test_which_errors_are_about_memory():
    device = Device()
    assert device.missing_bytes(OutOfMemoryError()) == 123
    assert device.missing_bytes(RuntimeError("cudaErrorMemoryAllocation: out of memory")) == 0
    assert device.missing_bytes(RuntimeError("CUBLAS_STATUS_ALLOC_FAILED")) == 0
    assert device.missing_bytes(ValueError("a shape")) is None
    device.release()
    assert device.log == ["free", "free"]


def test_without_cublas_nothing_is_recorded(monkeypatch):
    device = Device()
    assert not device.records  # the fake has no cuBLAS
    assert device.product(np.ones((2, 2)), np.ones((2, 2)), None) is None
    monkeypatch.setattr(Device, "_own_blas", lambda self: "a handle")
    assert Device().records
    monkeypatch.setenv("TINYCONV_CUDA_GRAPHS", "0")
    assert not Device().records


if importlib.util.find_spec("cupy") is not None:

    def test_cupy_has_what_is_asked_for():
        import cupy

        for name in (
            "get_current_stream", "Stream.begin_capture", "Stream.end_capture", "Stream.wait_event",
            "Stream.record", "Event.record", "Event.synchronize", "Graph.launch",
            "MemoryPool.malloc", "MemoryPool.total_bytes",
            "using_allocator", "alloc_pinned_memory", "MemoryPointer.copy_from_host_async",
            "memory.OutOfMemoryError", "device.get_cublas_handle", "runtime.runtimeGetVersion",
        ):  # fmt: skip
            thing = cupy.cuda
            for part in name.split("."):
                thing = getattr(thing, part)
        assert cupy.cuda.memory.OutOfMemoryError(5, 6)._size == 5
