"""The GPU through CuPy: the one file that imports it."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.cupy_memory import CupyMemory
from tinyconv.backends.cuda.device import Device, Dim3, Properties, definitions, source

_PROBE = 'extern "C" __global__ void probe(int* answer) { *answer = 42; }'


@functools.cache
def problem() -> str | None:
    """Why no kernel can run here, in a sentence; None where one does.

    Decided by running two: that CuPy can be imported says nothing about a driver, a device
    it may use, and a compiler for kernels; and CuPy's own, of its arithmetic, include CUDA's
    headers, which ours do not.
    """
    if find_spec("cupy") is None:
        return "CuPy is not installed"
    try:
        import cupy

        if cupy.cuda.runtime.getDeviceCount() == 0:
            return "CuPy finds no GPU"
        answer = cupy.zeros(1, np.int32)
        cupy.RawKernel(_PROBE, "probe")((1,), (1,), (answer,))
        value = int(answer[0])
        if value != 42:
            return f"a test kernel wrote {value} instead of 42"
        value = int((answer + 1)[0])
    except Exception as error:  # ImportError, OSError, CUDARuntimeError, compile errors, ...
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"CuPy cannot run a kernel: {first}"
    return None if value == 43 else f"CuPy computes 42 + 1 = {value}"


def usable() -> bool:
    """Whether kernels run on a GPU here."""
    return problem() is None


class CupyDevice(CupyMemory, Device):
    """CuPy's current device.

    Args:
        tf32: whether products of float32 may round their factors to TF32 (10 bits of
            mantissa), which is several times faster on the GPUs that have it.

    Raises:
        RuntimeError: if no kernel runs here, with the reason and what to install.
    """

    def __init__(self, tf32: bool = False) -> None:
        if (reason := problem()) is not None:
            raise RuntimeError(
                "the backend 'cupy' needs an NVIDIA GPU, its driver and CuPy, and cannot run here: "
                f'{reason}. CuPy comes with `pip install "tinyconv[gpu]"`; `tinyconv doctor` says '
                "what is missing. Without a GPU: tinyconv.use_backend('numba')"
            )
        import cupy

        self.xp: Any = cupy
        self.tf32 = tf32
        self._functions: dict[tuple[str, str, str, bool], Any] = {}
        device = cupy.cuda.Device()
        facts = cupy.cuda.runtime.getDeviceProperties(device.id)
        name = facts["name"]
        self.properties = Properties(
            name=name.decode() if isinstance(name, bytes) else str(name),
            capability=(int(facts["major"]), int(facts["minor"])),
            multiprocessors=int(facts["multiProcessorCount"]),
            threads=int(facts["maxThreadsPerMultiProcessor"]),
            shared_bytes=int(facts.get("sharedMemPerBlockOptin", 0) or facts["sharedMemPerBlock"]),
            l2_bytes=int(facts["l2CacheSize"]),
        )

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
        key = file, function, dtype.char, wide
        kernel = self._functions.get(key)
        if kernel is None:
            kernel = self._functions[key] = _module(file, dtype, wide).get_function(function)
        if shared > 48 * 1024 and kernel.max_dynamic_shared_size_bytes < shared:
            kernel.max_dynamic_shared_size_bytes = shared  # more must be asked for
        null = np.uintp(0)
        values = tuple(null if argument is None else argument for argument in arguments)
        kernel(grid, block, values, shared_mem=shared)

    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        if (product := self.product(a, b, out)) is not None:
            return product
        if a.dtype != np.float32:
            return self.xp.matmul(a, b, out=out)
        from cupy._core import _routines_linalg as precision  # CuPy has no public switch

        before = precision.get_compute_type(a.dtype)
        asked = precision.COMPUTE_TYPE_TF32 if self.tf32 else precision.COMPUTE_TYPE_FP32
        precision.set_compute_type(a.dtype, asked)  # whatever CUPY_TF32 says
        try:
            return self.xp.matmul(a, b, out=out)
        finally:
            precision.set_compute_type(a.dtype, before)

    def free_bytes(self) -> int:
        free, _ = self.xp.cuda.runtime.memGetInfo()
        pool = self.xp.get_default_memory_pool()
        return int(free) + int(pool.free_bytes())

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        if isinstance(values, np.ndarray) and not values.dtype.isnative:
            values = values.astype(values.dtype.newbyteorder("="))  # what a GPU cannot read
        return self.xp.asarray(values, dtype)

    def to_numpy(self, x: Array) -> Array:
        return self.xp.asnumpy(x)

    def address(self, x: Any) -> int:
        return int(x.data.ptr)


@functools.cache
def _module(file: str, dtype: np.dtype[Any], wide: bool) -> Any:
    """The kernels of a file, compiled at first use; CuPy keeps them on disk."""
    import cupy

    options = ("-std=c++17", *definitions(dtype, wide))
    return cupy.RawModule(code=source(file), options=options, backend="nvrtc")
