"""The device that is measured: its clock, its cache, and what it says of itself.

Each library measures in a process of its own and by its own events, so there is a card for
each: the same device, as CuPy sees it and as PyTorch does.
"""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from abc import ABC, abstractmethod
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.convolution import Case

# By whose work is measured; a string, since it is made in another process.
CARDS = {
    "tinyconv": "benchmarks.gpu.card:CupyCard",
    "torch": "benchmarks.gpu.card:TorchCard",
}
_MOST_PASSES = 2000


def made(card: str) -> Any:
    """The card "module:class".

    Raises:
        ImportError: if its library is not installed.
        RuntimeError: if there is no device.
    """
    return class_of(card)()


def class_of(card: str) -> Any:
    """The class "module:class"."""
    module, name = card.split(":")
    return getattr(importlib.import_module(module), name)


class Card(ABC):
    """What measuring needs of a device.

    Attributes:
        cache_bytes: of its last cache, from which no input should come.
    """

    cache_bytes: int
    _pass_seconds = 0.0

    @abstractmethod
    def record(self) -> Any:
        """An event behind all work that was asked for so far."""

    @abstractmethod
    def seconds(self, start: Any, stop: Any) -> float:
        """From one event to a later one, which is waited for."""

    @abstractmethod
    def overwrite(self) -> None:
        """Write something else over several times the cache."""

    @abstractmethod
    def release(self) -> None:
        """Hand back the memory that is not in use: other processes measure, too."""

    def wipe(self, seconds: float) -> None:
        """Overwrite the cache, again and again for `seconds`.

        What follows then finds none of its inputs in the cache, and the host, which is far
        ahead when the device is done with this, can ask for work without the device waiting.
        """
        if not self._pass_seconds:
            self.overwrite()
            start = self.record()
            self.overwrite()
            self._pass_seconds = max(self.seconds(start, self.record()), 1e-6)
        for _ in range(min(1 + math.ceil(seconds / self._pass_seconds), _MOST_PASSES)):
            self.overwrite()


class CupyCard(Card):
    """The current device, for tinyconv.

    Attributes:
        has_numba_cuda: whether kernels in Numba CUDA run on it, too.

    Raises:
        ImportError, RuntimeError: see `made`.
    """

    backend_name = "cupy"
    has_numba_cuda = find_spec("numba_cuda") is not None

    def __init__(self) -> None:
        from tinyconv.backends.cuda.cupy_device import CupyDevice

        device = CupyDevice()  # says what is missing, if anything
        self.xp = device.xp
        self.cache_bytes = device.properties.l2_bytes or 2**25
        self._memory = self.xp.empty(self.cache_bytes, "float32")  # four times the cache
        self._value = 0

    def backend(self, tf32: bool = False, conv: str | None = None) -> Any:
        """tinyconv's backend on this device; the arguments are those of `use_backend`."""
        from tinyconv.backends import load

        return load("cupy", conv, tf32)

    def algorithms(self, case: Case) -> tuple[list[str], str]:
        """Those that can do the convolution, and the one that is chosen for it."""
        from tinyconv.backends.cuda.convolution.case import ConvCase
        from tinyconv.backends.cuda.convolution.chooser import ALGORITHMS, choose

        asked = ConvCase(*case[:5], np.dtype("float32"), case.operation)
        able = [name for name, each in ALGORITHMS.items() if each.reason_against(asked) is None]
        return able, choose(asked).name

    def record(self) -> Any:
        event = self.xp.cuda.Event()
        event.record()
        return event

    def seconds(self, start: Any, stop: Any) -> float:
        stop.synchronize()
        return float(self.xp.cuda.get_elapsed_time(start, stop)) / 1000

    def overwrite(self) -> None:
        self._value += 1
        self._memory.fill(self._value)

    def release(self) -> None:
        self.xp.get_default_memory_pool().free_all_blocks()

    def describe(self) -> dict[str, Any]:
        """The card, its driver, and the libraries that were measured."""
        runtime = self.xp.cuda.runtime
        properties = runtime.getDeviceProperties(self.xp.cuda.Device().id)
        return {
            "name": properties["name"].decode(),
            "compute_capability": f"{properties['major']}.{properties['minor']}",
            "multiprocessors": properties["multiProcessorCount"],
            "memory_bytes": properties["totalGlobalMem"],
            "cache_bytes": self.cache_bytes,
            "driver": driver_version(),
            "cuda_of_driver": _dotted(runtime.driverGetVersion()),
            "cuda_runtime": _dotted(runtime.runtimeGetVersion()),
            "cupy": self.xp.__version__,
            "numba_cuda": _version("numba-cuda"),
            **torch_versions(),
        }


class TorchCard(Card):
    """The current device, for PyTorch.

    Attributes:
        device: PyTorch's name of it.
        ways: in which a network is run on it, see `torch_ways`.
    """

    device = "cuda"
    ways: tuple[str, ...] = ("eager", "compiled", "graph-captured")

    def __init__(self) -> None:
        import torch

        self._torch = torch
        properties = torch.cuda.get_device_properties(0)
        self.cache_bytes = int(getattr(properties, "L2_cache_size", 0)) or 2**25
        self._memory = torch.empty(self.cache_bytes, device=self.device)  # four times the cache
        self._value = 0

    def record(self) -> Any:
        event = self._torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start: Any, stop: Any) -> float:
        stop.synchronize()
        return float(start.elapsed_time(stop)) / 1000

    def overwrite(self) -> None:
        self._value += 1
        self._memory.fill_(self._value)

    def release(self) -> None:
        self._torch.cuda.empty_cache()


def driver_version() -> str:
    """The driver's own number, as `nvidia-smi` tells it; "unknown" without that."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return next(iter(found.stdout.split()), "unknown")


def torch_versions() -> dict[str, Any]:
    """PyTorch's version and those of its CUDA and cuDNN; {} where it is not installed.

    Asked of another process: it brings CUDA libraries of its own, and two of a kind in one
    process get in each other's way.
    """
    code = (
        "import json, torch; print(json.dumps({'torch': torch.__version__, "
        "'torch_cuda': torch.version.cuda, 'cudnn': torch.backends.cudnn.version()}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return dict(json.loads(found.stdout)) if not found.returncode else {}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _dotted(version: int) -> str:
    """13020 is 13.2."""
    return f"{version // 1000}.{version % 1000 // 10}"
