"""A device without a GPU: NumPy's arrays, and the .cu files compiled as C++.

What it shows: that the kernels index, add and synchronise as they should, and that the
backend calls them with the right arguments. What only a GPU can show: that the launch
fits the device, timings, and results under truly parallel threads.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.device import Device, Dim3, Properties, definitions, source

SHIM = Path(__file__).with_name("host.hpp")
LIBRARIES = Path(__file__).parents[3] / "build" / "host_kernels"
_one_at_a_time = threading.Lock()
_OPTIONS = (
    "-fno-strict-aliasing",
    "-U_FORTIFY_SOURCE",  # which forbids longjmp between stacks
    "-std=c++17",
    "-O2",
    "-shared",
    "-fPIC",
    "-Wall",
    "-Wextra",
    "-Wno-unknown-pragmas",
)


class HostDevice(Device):
    """Runs the kernels on the processor, one block after the other.

    Args:
        reverse: the last thread and the last block first; nothing may depend on it.
    """

    xp = np
    # Small, so that grid-stride loops go round several times, but of odd sizes nowhere.
    properties = Properties("host", (9, 0), 2, 1024, 48 * 1024, 1 << 20)

    def __init__(self, reverse: bool = False) -> None:
        if compiler() is None:
            raise RuntimeError("HostDevice needs a C++ compiler: c++, or pip install ziglang")
        self.reverse = reverse

    def _run(
        self,
        file: str,
        function: str,
        dtype: np.dtype[Any],
        wide: bool,
        grid: Dim3,
        block: Dim3,
        shared: int,
        arguments: tuple[Any, ...],
    ) -> None:
        name = f"{file}:{function}"
        assert max(block) <= 1024, f"{name}: CUDA allows 1024 threads a block, asked {block}"
        assert np.prod(block) <= 1024, f"{name}: CUDA allows 1024 threads a block, asked {block}"
        assert max(grid[1:]) <= 65535, f"{name}: CUDA allows 65535 blocks in y and z, asked {grid}"
        assert shared <= self.properties.shared_bytes, f"{name}: {shared} bytes of shared memory"
        library = _library(file, dtype, wide)
        signature = getattr(library, f"signature_{function}")
        signature.restype = ctypes.c_char_p
        _check(name, signature().decode().split(), arguments)
        # What is passed is an array of pointers to the arguments; `boxes` keeps them alive.
        boxes = [
            np.array(0 if a is None else a.ctypes.data if isinstance(a, np.ndarray) else a)
            for a in arguments
        ]
        pointers = (ctypes.c_void_p * len(boxes))(*[box.ctypes.data for box in boxes])
        launch = getattr(library, f"launch_{function}")
        launch.restype = ctypes.c_char_p
        dims = [(ctypes.c_uint * 3)(*size) for size in (grid, block)]
        error = launch(*dims, ctypes.c_size_t(shared), int(self.reverse), pointers)
        if error:
            raise RuntimeError(f"{name}: {error.decode()}")

    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        return np.matmul(a, b, out=out)

    def free_bytes(self) -> int:
        return 1 << 30

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        return np.asarray(values, dtype)

    def to_numpy(self, x: Array) -> Array:
        return np.asarray(x)

    def address(self, x: Array) -> int:
        return x.ctypes.data


@functools.cache
def compiler() -> tuple[str, ...] | None:
    """The command of a C++ compiler, None where there is none (or no ucontext.h: Windows)."""
    if os.name == "nt":
        return None
    for name in (os.environ.get("CXX"), "c++", "g++", "clang++"):
        if name and shutil.which(name):
            return (name,)
    return (sys.executable, "-m", "ziglang", "c++") if find_spec("ziglang") else None


def _check(name: str, expected: list[str], arguments: tuple[Any, ...]) -> None:
    """A GPU would take any bytes; here each argument must be what the kernel declares."""
    given = []
    for argument, want in zip(arguments, expected, strict=False):
        if isinstance(argument, np.ndarray):
            assert argument.flags.c_contiguous, f"{name}: an array is not contiguous"
            assert argument.size == 0 or argument.flags.aligned
            given.append("*" + argument.dtype.str[1:])
        elif argument is None:
            given.append(want if want.startswith("*") else "None")
        else:
            given.append(argument.dtype.str[1:])
    assert len(arguments) == len(expected), (
        f"{name} takes {len(expected)} arguments, got {len(arguments)}: {expected} <- {given}"
    )
    assert given == expected, f"{name} takes {expected}, got {given}"


@functools.cache
def _library(file: str, dtype: np.dtype[Any], wide: bool) -> ctypes.CDLL:
    """The compiled file; kept on disk by its text, so that only the first run waits."""
    command = compiler()
    assert command is not None
    text = f"{SHIM.read_text(encoding='utf-8')}\n{source(file)}"
    options = (*_OPTIONS, *definitions(dtype, wide))
    key = hashlib.sha256("\0".join([text, *command, *options]).encode()).hexdigest()[:16]
    path = LIBRARIES / f"{file}-{key}.so"
    with _one_at_a_time:
        if not path.exists():
            _compile([*command, *options], text, path)
        return ctypes.CDLL(str(path))


def _compile(command: list[str], text: str, library: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        code, built = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        code.write_text(text, encoding="utf-8")
        done = subprocess.run(
            [*command, str(code), "-o", str(built)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{library.stem} does not compile as C++:\n{done.stderr}")
        library.parent.mkdir(parents=True, exist_ok=True)
        beside = library.with_suffix(f".{os.getpid()}")  # so that others see it when it is whole
        shutil.copyfile(built, beside)
        beside.replace(library)
