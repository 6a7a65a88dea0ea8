"""Matrix products by cuBLAS, called so that they can be recorded.

CuPy refuses to call cuBLAS while a stream is captured, because its handle may allocate. With
a handle of our own, bound to the stream that captures and to a workspace that never changes,
cuBLAS only launches. The functions are called by ctypes, in the library that CuPy has loaded.

cuBLAS counts in columns: what it calls an (n, m) matrix is a (m, n) array of rows here. So
it is asked for   (a @ b)^T = b^T @ a^T   with the very same memory.

Source: NVIDIA's cuBLAS manual, cublasSetWorkspace, cublas<t>gemm, cublas<t>gemmStridedBatched.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

WORKSPACE = 32 << 20  # bytes, what NVIDIA recommends for Hopper
_TF32, _DEFAULT = 3, 0  # math modes
_LETTERS = {"float32": ("S", ctypes.c_float), "float64": ("D", ctypes.c_double)}


def load(major: int) -> Any:
    """The library of CUDA `major`; OSError where there is none."""
    windows = sys.platform == "win32"
    return ctypes.CDLL(f"cublas64_{major}.dll" if windows else f"libcublas.so.{major}")


class Operand(NamedTuple):
    """A matrix (or a stack of them) as cuBLAS takes it.

    Attributes:
        transposed: whether its columns lie one after the other.
        stride: elements from one row (if transposed, column) to the next.
        step: elements from one matrix of the stack to the next.
    """

    transposed: bool
    stride: int
    step: int


class Cublas:
    """A handle on one stream.

    Args:
        library: see `load`.
        address: where the numbers of an array begin.
        stream: address of the stream.
        workspace: address of WORKSPACE bytes on the device, never to be used by others.
        tf32: whether float32 may be rounded to TF32. Stacks never are: CuPy's own are not, and
            a step gives the same numbers whether it is recorded or not.
    """

    def __init__(
        self,
        library: Any,
        address: Callable[[Any], int],
        stream: int,
        workspace: int,
        tf32: bool = False,
    ) -> None:
        self._library, self._address, self._tf32 = library, address, tf32
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        # In this order: a new stream takes the workspace away.
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))
        size = ctypes.c_size_t(WORKSPACE)
        self._call("cublasSetWorkspace_v2", self._handle, ctypes.c_void_p(workspace), size)
        self._round(tf32)

    def _round(self, tf32: bool) -> None:
        self._call("cublasSetMathMode", self._handle, _TF32 if tf32 else _DEFAULT)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} failed with status {status}")

    def matmul(self, xp: Any, a: Any, b: Any, out: Any = None) -> Any:
        """a @ b: (..., M, K) @ (..., K, N) -> (..., M, N), of float32 or float64.

        Leading axes are equal, or missing in one of the two. Into `out` if given.
        """
        lead = a.shape[:-2] if a.ndim >= b.ndim else b.shape[:-2]
        a, b = _stacked(a), _stacked(b)
        (M, K), N = a.shape[-2:], b.shape[-1]
        count = max(a.shape[0] if a.ndim == 3 else 1, b.shape[0] if b.ndim == 3 else 1)
        shape = (*lead, M, N)
        direct = out is not None and out.dtype == a.dtype and out.flags.c_contiguous
        y = out if direct else xp.empty(shape, a.dtype)
        if y.size:
            self._product(xp, a, b, y, (M, K, N), count)
        if out is not None and not direct:
            out[...] = y
            return out
        return y

    def _product(
        self, xp: Any, a: Any, b: Any, y: Any, sizes: tuple[int, int, int], count: int
    ) -> None:
        M, K, N = sizes
        letter, real = _LETTERS[a.dtype.name]
        (a, left), (b, right) = (_operand(xp, each) for each in (a, b))
        one, zero = real(1), real(0)

        def matrix(x: Any, operand: Operand) -> list[Any]:
            made = [ctypes.c_void_p(self._address(x)), ctypes.c_int(operand.stride)]
            return made if count == 1 else [*made, ctypes.c_longlong(operand.step)]

        if self._tf32 and count > 1:
            self._round(False)
        name = f"cublas{letter}gemm_v2" if count == 1 else f"cublas{letter}gemmStridedBatched"
        self._call(
            name, self._handle, int(right.transposed), int(left.transposed), N, M, K,
            ctypes.byref(one), *matrix(b, right), *matrix(a, left),
            ctypes.byref(zero), *matrix(y, Operand(False, N, M * N)),
            *([] if count == 1 else [count]),
        )  # fmt: skip
        if self._tf32 and count > 1:
            self._round(True)


def _stacked(x: Any) -> Any:
    """At most one leading axis."""
    return x if x.ndim <= 3 else x.reshape(-1, *x.shape[-2:])


def _operand(xp: Any, x: Any) -> tuple[Any, Operand]:
    """An array as cuBLAS takes it, copied only if it must be."""
    item, (rows, columns) = x.itemsize, x.shape[-2:]
    step = x.strides[0] // item if x.ndim == 3 else 0
    down, right = (stride // item for stride in x.strides[-2:])
    if (columns == 1 or right == 1) and (rows == 1 or down >= columns):
        return x, Operand(False, max(columns if rows == 1 else down, 1), step)
    if (rows == 1 or down == 1) and (columns == 1 or right >= rows):
        return x, Operand(True, max(rows if columns == 1 else right, 1), step)
    x = xp.ascontiguousarray(x)
    return x, Operand(False, columns, rows * columns if x.ndim == 3 else 0)


def check(blas: Cublas, xp: Any, to_numpy: Callable[[Any], np.ndarray]) -> None:
    """Raise RuntimeError unless a few products are right."""
    rng = np.random.default_rng(0)
    for dtype in _LETTERS:
        a, b = (rng.normal(size=size).astype(dtype) for size in ((5, 3), (3, 4)))
        stack = rng.normal(size=(2, 3, 4)).astype(dtype)
        there, other, stacked = xp.asarray(a), xp.asarray(b), xp.asarray(stack)
        at, bt = xp.ascontiguousarray(there.T).T, xp.ascontiguousarray(other.T).T
        for left, right, expected in [
            (there, other, a @ b), (at, other, a @ b), (there, bt, a @ b), (at, bt, a @ b),
            (there, stacked, a @ stack),
        ]:  # fmt: skip
            if not np.allclose(to_numpy(blas.matmul(xp, left, right)), expected, atol=1e-2):
                raise RuntimeError("a product of cuBLAS is wrong")
