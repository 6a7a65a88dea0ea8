"""The micro-kernel: a tile of a matrix product that lives in the CPU's registers.

    kernel = make(rows, vectors, accumulate)

gives a function for use inside compiled kernels:

    kernel(A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R)

    C[c0 + i*c_row + v] (+)= sum over r < R and k < K of
        A[a0 + i*a_row + k*a_col + r*a_outer] * B[b0 + k*b_row + r*b_outer + v]
    for i in 0 ... rows-1 and v in 0 ... vectors*lanes-1

A, B and C are contiguous arrays of one dtype, float32 or float64, of any shape:
offsets and strides count numbers. K and R are at least 1. Nothing is checked, and
nothing beyond the tile is left out: the caller sees to it that all of it may be read
and written.

Why is it fast? With 14 x 2 registers of AVX-512, `a` being one number of A in every
lane of a register and `b0`, `b1` the next two registers of B:

               b0 = B[k, 0:16]   b1 = B[k, 16:32]         loaded once for each k
    a = A[0,k]   C[0, 0:16]        C[0, 16:32]
    a = A[1,k]   C[1, 0:16]        C[1, 16:32]            28 registers hold sums for
    ...          ...               ...                    the whole of the two loops
    a = A[13,k]  C[13, 0:16]       C[13, 16:32]

Each k costs 14 + 2 loads and 28 multiply-adds on 16 numbers each, so that the
multiplying units never wait: not for memory, and not for one another's results,
since 28 sums are independent. A plain dot product loads two numbers for each
multiplication. (Goto, van de Geijn, "Anatomy of high-performance matrix
multiplication", 2008; Van Zee, van de Geijn, "BLIS", 2015.)

The loop over r makes it a convolution without columns: the window of an output pixel
is KH rows of the image with KW * C contiguous numbers each. So K = KW * C, R = KH,
a_outer is the length of a row of the (padded) image, and a_row, from one output pixel
to the next, is SW * C.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload
from numba.np.numpy_support import as_dtype

from tinyconv.backends.numba import cpu, portable
from tinyconv.backends.numba.vector_ir import Emitter, Value, index

VECTOR = cpu.vector()
ROWS, VECTORS = cpu.tile(VECTOR)
HALF_ROWS = ROWS // 2


def lanes(dtype: Any) -> int:
    """Numbers of that dtype in one vector; callable in compiled code, too."""
    return VECTOR.bytes // int(np.dtype(dtype).itemsize)


@overload(lanes, strict=False)
def _lanes_compiled(dtype: Any) -> Callable[..., int]:
    count = VECTOR.bytes // as_dtype(dtype.dtype).itemsize
    return lambda dtype: count


@cache
def make(rows: int, vectors: int, accumulate: bool) -> Any:
    """The kernel for tiles of `rows` by `vectors` * `lanes` numbers; see above.

    Shapes: A (rows, K) R times, B (K, vectors * lanes) R times, C (rows, vectors * lanes).
    `accumulate` adds to C, else C is overwritten.
    """
    if VECTOR is cpu.PORTABLE:
        return portable.make(rows, vectors * VECTOR.bytes, accumulate)

    @intrinsic
    def kernel(typing, A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R):  # type: ignore[no-untyped-def]
        if not A.dtype == B.dtype == C.dtype:
            raise TypingError(f"expected one dtype. Received: {A.dtype}, {B.dtype}, {C.dtype}")
        n = types.intp
        signature = types.void(A, n, n, n, n, B, n, n, n, C, n, n, n, n)

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            emitter = Emitter(context, builder, A.dtype, VECTOR.bytes)
            _emit(emitter, (A, B, C), arguments, rows, vectors, accumulate)
            return context.get_dummy_value()

        return signature, generate

    return kernel


def _emit(
    e: Emitter,
    kinds: tuple[types.Array, types.Array, types.Array],
    arguments: list[ir.Value],
    rows: int,
    vectors: int,
    accumulate: bool,
) -> None:
    """The instructions: sums = 0 or C; for r: for k: sums += a * b; C = sums."""
    A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R = arguments
    multiply, step = e.builder.mul, lambda pointer, by: e.builder.gep(pointer, [by])
    tile = [(i, j) for i in range(rows) for j in range(vectors)]
    a_rows = [multiply(a_row, index(i)) for i in range(rows)]
    c_start = e.pointer(kinds[2], C, c0)
    c_rows = [step(c_start, multiply(c_row, index(i))) for i in range(rows)]

    def add_products(a: ir.Value, b: ir.Value, *sums: ir.Value) -> list[ir.Value]:
        """sums[i, j] += a[i] * b[j] for the pointers a and b to column k of A and row k of B."""
        b_vectors = [e.load(b, j * e.lanes) for j in range(vectors)]
        added = []
        for i in range(rows):
            number = e.load_spread(step(a, a_rows[i]))
            for j in range(vectors):
                old = Value(e, sums[i * vectors + j])
                added.append(e.multiply_add(number, b_vectors[j], old).ir)
        return [step(a, a_col), step(b, b_row), *added]

    def over_k(a: ir.Value, b: ir.Value, *sums: ir.Value) -> list[ir.Value]:
        _, _, *added = e.repeat(K, [a, b, *sums], add_products)
        return [step(a, a_outer), step(b, b_outer), *added]

    sums = [e.load(c_rows[i], j * e.lanes) if accumulate else e.zero for i, j in tile]
    start = [e.pointer(kinds[0], A, a0), e.pointer(kinds[1], B, b0), *(sum_.ir for sum_ in sums)]
    _, _, *results = e.repeat(R, start, over_k)
    for (i, j), result in zip(tile, results, strict=True):
        e.store(Value(e, result), c_rows[i], j * e.lanes)
