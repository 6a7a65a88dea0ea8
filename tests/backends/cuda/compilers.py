"""What compiles the kernels for GPUs without one: NVRTC, which CuPy uses as well, or nvcc."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import shutil
import subprocess
from collections.abc import Callable

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
_OPTIONS = ("-std=c++17",)

# (text, options, architecture) -> what the compiler complains of, "" if nothing
Compile = Callable[[str, tuple[str, ...], str], str]


@functools.cache
def compiler() -> tuple[str, Compile] | None:
    """Name and function of the first that is found, None without any."""
    library = _nvrtc()
    if library is not None:
        major, minor = ctypes.c_int(), ctypes.c_int()
        library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
        return f"NVRTC {major.value}.{minor.value}", functools.partial(_by_nvrtc, library)
    return ("nvcc", _by_nvcc) if shutil.which("nvcc") else None


def _nvrtc() -> ctypes.CDLL | None:
    """The library: of NVIDIA's Python packages, which CuPy needs too, or of the system."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        return ctypes.CDLL(load_nvidia_dynamic_lib("nvrtc").abs_path)
    except (ImportError, RuntimeError, OSError):
        pass
    name = ctypes.util.find_library("nvrtc")
    try:
        return ctypes.CDLL(name) if name else None
    except OSError:
        return None


def _by_nvrtc(library: ctypes.CDLL, text: str, options: tuple[str, ...], architecture: str) -> str:
    program = ctypes.c_void_p()
    library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None)
    given = [each.encode() for each in (*_OPTIONS, *options, f"--gpu-architecture={architecture}")]
    failed = library.nvrtcCompileProgram(
        program, len(given), (ctypes.c_char_p * len(given))(*given)
    )
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return log.value.decode() or (f"NVRTC's error {failed}" if failed else "")


def _by_nvcc(text: str, options: tuple[str, ...], architecture: str) -> str:
    command = ["nvcc", "-x", "cu", "-cubin", *_OPTIONS, *options, f"-arch={architecture}"]
    done = subprocess.run(
        [*command, "-", "-o", "/dev/null"], input=text, text=True, capture_output=True, check=False
    )
    return done.stderr or (f"nvcc's error {done.returncode}" if done.returncode else "")
