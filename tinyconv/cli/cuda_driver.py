"""The NVIDIA driver of this machine, asked without CuPy, to tell which CuPy goes with it.

The driver brings a library, libcuda, whose functions give the cards and the newest CUDA that
it runs. CuPy's wheels are made for one CUDA each (cupy-cuda12x, cupy-cuda13x), and need a
driver for that CUDA or a newer one.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any, NamedTuple

NO_CARD = (
    "A driver is installed, but it finds no card. In a container: start it with --gpus all (and "
    "install the NVIDIA Container Toolkit); else see whether `nvidia-smi` lists the card, and "
    "whether CUDA_VISIBLE_DEVICES hides it"
)
NO_DRIVER = (
    "For the backend 'cupy': an NVIDIA card and its driver (https://www.nvidia.com/drivers). "
    "Without them the backend 'numba' computes on the CPU"
)
_LIBRARIES = {"win32": ["nvcuda.dll"]}
_GIB = 2**30


class Driver(NamedTuple):
    """What the driver says.

    Attributes:
        version: newest CUDA that it runs, 13000 for 13.0; 0 without a driver.
        cards: name and memory of each.
        problem: why there is no card.
    """

    version: int = 0
    cards: tuple[str, ...] = ()
    problem: str = ""

    @property
    def found(self) -> bool:
        return self.version > 0

    @property
    def version_text(self) -> str:
        return version_text(self.version)


def version_text(number: int) -> str:
    """13010 -> 13.1."""
    return f"{number // 1000}.{number % 1000 // 10}"


def look() -> Driver:
    """Ask the driver; an empty `Driver` where there is none."""
    for name in _LIBRARIES.get(sys.platform, ["libcuda.so.1", "libcuda.so"]):
        try:
            return ask(ctypes.CDLL(name))
        except (OSError, AttributeError):  # no such library, or none of its functions
            continue
    return Driver(problem="no NVIDIA driver")


def ask(library: Any) -> Driver:
    """What a driver's library answers."""
    version, count = ctypes.c_int(), ctypes.c_int()
    library.cuDriverGetVersion(ctypes.byref(version))
    status = library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count))
    if status or not count.value:
        problem = f"the driver (CUDA {version_text(version.value)}) finds no card"
        return Driver(version.value, (), f"{problem}: error {status}" if status else problem)
    return Driver(version.value, tuple(_card(library, n) for n in range(count.value)))


def _card(library: Any, number: int) -> str:
    device, name, memory = ctypes.c_int(), ctypes.create_string_buffer(256), ctypes.c_size_t()
    library.cuDeviceGet(ctypes.byref(device), number)
    library.cuDeviceGetName(name, len(name), device)
    library.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    return f"{name.value.decode(errors='replace')}, {memory.value / _GIB:.0f} GiB"


# ---- advice -------------------------------------------------------------------


def install_cupy(driver: Driver) -> str:
    """Which CuPy goes with a driver."""
    if not driver.found:
        return NO_DRIVER
    if not driver.cards:
        return NO_CARD
    if driver.version >= 13000:
        return 'pip install "tinyconv[gpu]"'
    if driver.version >= 12000:
        return f"pip install cupy-cuda12x (the driver runs CUDA {driver.version_text} and older)"
    return (
        f"The driver runs CUDA {driver.version_text} and older; CuPy needs 12.0 or newer: update "
        "it (https://www.nvidia.com/drivers)"
    )


def advice(driver: Driver, error: BaseException) -> str:
    """What to do about an error of CuPy."""
    text = f"{type(error).__name__} {error}"
    if "NoDevice" in text or not driver.cards:  # without a driver CUDA calls it too old
        return NO_CARD if driver.found else NO_DRIVER
    if "InsufficientDriver" in text:
        return (
            f"This CuPy is made for a newer CUDA than the driver runs ({driver.version_text}): "
            f"uninstall it, then {install_cupy(driver)}; or update the driver"
        )
    signs = "nvrtc", "compileexception", "header", "source file", "cublas"
    if any(sign in text.lower() for sign in signs) or isinstance(error, (ImportError, OSError)):
        extra = "cupy-cuda12x[ctk]" if driver.version < 13000 else "cupy-cuda13x[ctk]"
        return (
            f'A part of the CUDA toolkit is missing or does not fit: pip install "{extra}", or '
            "install the toolkit and set CUDA_PATH"
        )
    if "memory" in text.lower():
        return "Other programs hold the card's memory: see `nvidia-smi`"
    return 'Reinstall CuPy: pip install --force-reinstall "tinyconv[gpu]"'
