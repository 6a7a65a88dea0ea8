"""Devices that are none: arrays of NumPy, PyTorch on the CPU, and events of the host's clock."""

import time

import numpy as np

from benchmarks.gpu.card import Card


class FakeCard(Card):
    """For tinyconv, which computes by the textbook."""

    backend_name = "numpy"
    has_numba_cuda = False
    xp = np
    cache_bytes = 4096

    def __init__(self):
        self.written = self.released = 0

    def backend(self, tf32=False, conv=None):
        from tinyconv.backends import load

        return load("numpy")

    def algorithms(self, case):
        return ["textbook", "again"], "textbook"

    def record(self):
        return time.perf_counter()

    def seconds(self, start, stop):
        return max(stop - start, 1e-9)

    def overwrite(self):
        self.written += 1

    def release(self):
        self.released += 1

    def describe(self):
        return {"name": "no card at all", "driver": "0.0", "cupy": "0", "torch": None}


class FakeTorchCard(FakeCard):
    """For PyTorch, which can't capture graphs on a CPU, nor compile without a compiler."""

    device = "cpu"
    ways = ("eager",)


class Broken(FakeCard):
    """Its backend has no dropout."""

    def backend(self, tf32=False, conv=None):
        from tinyconv.backends.numpy import NumpyBackend

        class Backend(NumpyBackend):
            def dropout(self, x, rate, generator):
                raise RuntimeError("launch failed")

        return Backend()


class Missing:
    """No device."""

    def __init__(self):
        raise RuntimeError("CuPy finds no GPU\nand more lines")


class Scripted(FakeCard):
    """Its clock runs only while `work` is done or the cache is overwritten."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.log = []

    def work(self, name, seconds):
        self.log.append(name)
        self.now += seconds

    def record(self):
        return self.now

    def seconds(self, start, stop):
        return stop - start

    def overwrite(self):
        self.work("wipe", 0.25)
