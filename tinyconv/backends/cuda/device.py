"""What the backend needs of the machine: arrays, BLAS, and kernels that run.

The backend's Python asks a `Device` for these and nothing else, so that it runs with
CuPy on a GPU, and in the tests with NumPy and the same kernels compiled for the host
(tests/backends/cuda/host.py).

A kernel is named "file:function": a KERNEL of kernels/<file>.cu, whose number type `T`
is the `dtype` of the launch. Arguments become

    an array           its pointer (the array must be C-contiguous)
    None               a null pointer
    int, bool          int
    float              T
    a NumPy scalar     what it is (np.int64: long long)
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.memory import Memory

KERNELS = Path(__file__).parent / "kernels"

# Offsets are computed with int where that is enough, which is several times faster
# than long long; a grid-stride loop steps a little over the end.
_INT_IS_ENOUGH = 2**31 - 2**24
_WAVES = 8  # blocks of a grid-stride loop: how often they fill the device
_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)

Dim3 = tuple[int, int, int]


class Properties(NamedTuple):
    """What launches are sized by.

    Attributes:
        name: what the maker calls the device.
        capability: (major, minor) of its instruction set.
        multiprocessors: how many blocks can run side by side, times those that share one.
        threads: resident threads of one multiprocessor.
        shared_bytes: shared memory that a block may ask for.
        l2_bytes: cache between the multiprocessors and the memory.
    """

    name: str
    capability: tuple[int, int]
    multiprocessors: int
    threads: int
    shared_bytes: int
    l2_bytes: int


class Device(Memory, ABC):
    """Arrays, BLAS and kernel launches."""

    xp: Any  # the array module
    properties: Properties

    def launch(
        self, kernel: str, dtype: Any, count: int, *arguments: Any, block: int = 256
    ) -> None:
        """Run a kernel whose GRID_STRIDE loop goes over `count` elements.

        `count` is the kernel's first argument (index_t), before `arguments`.
        """
        blocks = min(-(-count // block), self.waves(block))
        wide = _is_wide(count, arguments)
        size = np.int64(count) if wide else np.int32(count)
        self._launch(kernel, dtype, (blocks, 1, 1), (block, 1, 1), (size, *arguments), 0, wide)

    def waves(self, block: int) -> int:
        """How many blocks of so many threads are enough where each goes over more than its own."""
        resident = self.properties.multiprocessors * (self.properties.threads // block)
        return max(_WAVES * resident, 1)

    def launch_blocks(
        self,
        kernel: str,
        dtype: Any,
        grid: int | tuple[int, ...],
        block: int | tuple[int, ...],
        *arguments: Any,
        shared: int = 0,
    ) -> None:
        """Run a kernel on exactly this grid of blocks, with `shared` bytes of DYNAMIC_SHARED."""
        wide = _is_wide(0, arguments)
        self._launch(kernel, dtype, _dim3(grid), _dim3(block), arguments, shared, wide)

    def _launch(
        self,
        kernel: str,
        dtype: Any,
        grid: Dim3,
        block: Dim3,
        arguments: tuple[Any, ...],
        shared: int,
        wide: bool,
    ) -> None:
        if math.prod(grid) == 0:  # nothing to do, and CUDA would call it an error
            return
        dtype = np.dtype(dtype)
        values = tuple(_typed(argument, dtype) for argument in arguments)
        file, _, function = kernel.partition(":")
        self._run(file, function, dtype, wide, grid, block, shared, values)

    @abstractmethod
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
        """Run it, with arguments that are arrays, NumPy scalars or None."""

    @abstractmethod
    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        """a @ b by BLAS, over leading axes too, in full precision; into `out` if given."""

    @abstractmethod
    def free_bytes(self) -> int:
        """Memory that arrays can still take."""

    @abstractmethod
    def asarray(self, values: Any, dtype: Any = None) -> Array:
        """`values` as an array of this device, copied only if it must be."""

    @abstractmethod
    def to_numpy(self, x: Array) -> Array:
        """`x` as a NumPy array."""

    @abstractmethod
    def address(self, x: Array) -> int:
        """Where the numbers of x begin."""

    def aligned(self, *arrays: Array) -> bool:
        """Whether all begin at a multiple of 16 bytes."""
        return all(self.address(x) % 16 == 0 for x in arrays)

    def lanes(self, row: int, *arrays: Array) -> int:
        """How many numbers a kernel may read at once: LANES, or 1.

        16 bytes at once need arrays that begin at multiples of 16 bytes, and consist of rows
        (of `row` numbers) that do.
        """
        lanes = 16 // arrays[0].itemsize
        return lanes if row % lanes == 0 and self.aligned(*arrays) else 1


def source(file: str) -> str:
    """The text of kernels/<file>.cu with the headers it includes, each once.

    Compilers get one text, without a search path: what is cached by text knows the headers.
    """
    seen: set[str] = set()

    def inlined(name: str) -> str:
        if name in seen:
            return ""
        seen.add(name)
        text = (KERNELS / name).read_text(encoding="utf-8").replace("#pragma once\n", "\n")
        parts, line = [f'#line 1 "{name}"\n'], 1
        end = 0
        for match in _INCLUDE.finditer(text):
            before = text[end : match.start()]
            line += before.count("\n") + 1
            parts += [before, inlined(match[1]), f'\n#line {line} "{name}"']
            end = match.end()
        return "".join([*parts, text[end:]])

    return inlined(f"{file}.cu")


def definitions(dtype: np.dtype[Any], wide: bool) -> tuple[str, ...]:
    """Compiler options that say what T and index_t are."""
    real = {"float32": "float", "float64": "double"}[dtype.name]
    return f"-DREAL={real}", f"-DINDEX={'long long' if wide else 'int'}"


def _is_wide(count: int, arguments: tuple[Any, ...]) -> bool:
    sizes = [argument.size for argument in arguments if hasattr(argument, "shape")]
    return max([count, *sizes]) > _INT_IS_ENOUGH


def _typed(value: Any, dtype: np.dtype[Any]) -> Any:
    if type(value) is int or type(value) is bool:
        return np.int32(value)
    if type(value) is float:
        return dtype.type(value)
    return value


def _dim3(size: int | tuple[int, ...]) -> Dim3:
    x, y, z = (*((size,) if isinstance(size, int) else size), 1, 1)[:3]
    return x, y, z
