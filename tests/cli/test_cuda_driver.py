"""What the NVIDIA driver is asked without CuPy, and what it may answer."""

import ctypes

from tinyconv.cli import cuda_driver
from tinyconv.cli.cuda_driver import Driver


class FakeDriver:
    """The functions of libcuda, which write where they are pointed to."""

    def __init__(self, version=13010, init=0, cards=1):
        self.version, self.init, self.cards = version, init, cards

    def cuDriverGetVersion(self, pointer):  # noqa: N802
        pointer._obj.value = self.version
        return 0

    def cuInit(self, flags):  # noqa: N802
        return self.init

    def cuDeviceGetCount(self, pointer):  # noqa: N802
        pointer._obj.value = self.cards
        return 0

    def cuDeviceGet(self, pointer, number):  # noqa: N802
        pointer._obj.value = number
        return 0

    def cuDeviceGetName(self, name, length, device):  # noqa: N802
        name.value = b"NVIDIA L4"
        return 0

    def cuDeviceTotalMem_v2(self, pointer, device):  # noqa: N802
        pointer._obj.value = 23 * 2**30
        return 0


def test_what_the_driver_answers():
    driver = cuda_driver.ask(FakeDriver())
    assert driver.cards == ("NVIDIA L4, 23 GiB",)
    assert driver.version_text == "13.1"
    assert cuda_driver.ask(FakeDriver(init=100)).problem.endswith("finds no card: error 100")
    assert cuda_driver.ask(FakeDriver(cards=0)).problem.endswith("finds no card")


def test_no_driver(monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert cuda_driver.look() == Driver(problem="no NVIDIA driver")
