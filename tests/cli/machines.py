"""Machines with other drivers, cards and CuPys than this one."""

import sys
import types
from importlib import metadata

import pytest

from tinyconv import backends
from tinyconv.cli import cuda_driver, doctor_checks
from tinyconv.cli.cuda_driver import Driver

H200 = Driver(13000, ("NVIDIA H200, 141 GiB",))
OLD = Driver(12040, ("NVIDIA T4, 15 GiB",))
NONE = Driver(problem="no NVIDIA driver")
EMPTY = Driver(13000, (), "the driver (CUDA 13.0) finds no card: error 100")


@pytest.fixture
def machine(monkeypatch):
    """A machine with this driver, these CuPy distributions and this `cupy` module."""

    def make(driver, module=None, installed=(), numba_cuda=None):
        monkeypatch.setattr(cuda_driver, "look", lambda: driver)
        monkeypatch.setitem(sys.modules, "cupy", module)  # None: the import fails
        found = [types.SimpleNamespace(metadata={"Name": name}) for name in installed]
        monkeypatch.setattr(metadata, "distributions", lambda: found)
        version = doctor_checks.version

        def known(package):
            return numba_cuda if package == "numba-cuda" else version(package)

        monkeypatch.setattr(doctor_checks, "version", known)

    return make


class FakeCupy(types.ModuleType):
    """As much of CuPy as the doctor asks; `broken` raises at the first look at a device."""

    __version__ = "14.0.0"

    def __init__(self, broken=None):
        super().__init__("cupy")
        properties = {"name": b"H200", "major": 9, "minor": 0, "multiProcessorCount": 132}

        def device_count():
            if broken:
                raise broken
            return 1

        runtime = types.SimpleNamespace(
            runtimeGetVersion=lambda: 13000,
            getDeviceCount=device_count,
            getDeviceProperties=lambda number: properties,
            memGetInfo=lambda: (100 * 2**30, 140 * 2**30),
        )
        self.cuda = types.SimpleNamespace(runtime=runtime, Device=FakeDevice)


class FakeDevice:
    def __init__(self, number):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


@pytest.fixture
def cupy_backend(monkeypatch):
    """What `load("cupy")` gives or raises, as if on a machine with a card."""
    load = backends.load

    def make(result):
        def loaded(name, *arguments, **named):
            if name != "cupy":
                return load(name, *arguments, **named)
            if isinstance(result, Exception):
                raise result
            return result

        monkeypatch.setattr(backends, "load", loaded)

    return make
