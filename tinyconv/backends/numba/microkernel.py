"""The micro-kernel: a tile of a matrix product that lives in the CPU's registers.

    kernel = make(rows, vectors, accumulate)

gives a function for use inside compiled kernels:

    kernel(A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R)

    C[c0 + i*c_row + v] (+)= sum over r < R and k < K of
        A[a0 + i*a_row + k*a_col + r*a_outer] * B[b0 + k*b_row + r*b_outer + v]
    for i in 0 ... rows-1 and v in 0 ... vectors*lanes-1

and make_affine(rows, vectors) gives one for a layer: its sums begin with a bias (or with
what C already holds), and ReLU is a floor that they don't end below:

    kernel(A, a0, a_row, a_col, B, b0, b_row, S, s0, s_row, floor, C, c0, c_row, K)

    C[c0 + i*c_row + v] = max(floor, S[s0 + i*s_row + v] + sum over k as above, r = 0)

A, B, S and C are contiguous arrays of one dtype, float32 or float64, of any shape:
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


@cache
def make_affine(rows: int, vectors: int) -> Any:
    """The kernel that begins with S and ends at `floor` or above; see above. NaN passes."""
    if VECTOR is cpu.PORTABLE:
        return portable.make_affine(rows, vectors * VECTOR.bytes)

    @intrinsic
    def kernel(typing, A, a0, a_row, a_col, B, b0, b_row, S, s0, s_row, floor, C, c0, c_row, K):  # type: ignore[no-untyped-def]
        if not A.dtype == B.dtype == S.dtype == C.dtype == floor:
            found = f"{A.dtype}, {B.dtype}, {S.dtype}, {C.dtype}, {floor}"
            raise TypingError(f"expected one dtype. Received: {found}")
        n = types.intp
        signature = types.void(A, n, n, n, B, n, n, S, n, n, floor, C, n, n, n)

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            a, a0, a_row, a_col, b, b0, b_row, s, s0, s_row, lowest, c, c0, c_row, turns = arguments
            e = Emitter(context, builder, A.dtype, VECTOR.bytes)
            start = _load(e, _lines(e, e.pointer(S, s, s0), s_row, rows), vectors)
            one, least = index(1), Value(e, e.spread(lowest))
            a_strides, b_strides = (a_row, a_col, one), (b_row, one)
            factors = e.pointer(A, a, a0), a_strides, e.pointer(B, b, b0), b_strides
            sums = _add_products(e, start, *factors, turns, one, rows, vectors)
            ends = [least.where(total.below(least), total) for total in sums]
            _store(e, ends, _lines(e, e.pointer(C, c, c0), c_row, rows), vectors)
            return context.get_dummy_value()

        return signature, generate

    return kernel


# ---- the instructions ----------------------------------------------------------------


def _emit(
    e: Emitter,
    kinds: tuple[types.Array, types.Array, types.Array],
    arguments: list[ir.Value],
    rows: int,
    vectors: int,
    accumulate: bool,
) -> None:
    """sums = 0 or C; for r: for k: sums += a * b; C = sums."""
    A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R = arguments
    target = _lines(e, e.pointer(kinds[2], C, c0), c_row, rows)
    old = _load(e, target, vectors) if accumulate else [e.zero] * (rows * vectors)
    a, b = e.pointer(kinds[0], A, a0), e.pointer(kinds[1], B, b0)
    strides = (a_row, a_col, a_outer), (b_row, b_outer)
    sums = _add_products(e, old, a, strides[0], b, strides[1], K, R, rows, vectors)
    _store(e, sums, target, vectors)


def _add_products(
    e: Emitter,
    old: list[Value],
    a: ir.Value,
    a_strides: tuple[ir.Value, ir.Value, ir.Value],
    b: ir.Value,
    b_strides: tuple[ir.Value, ir.Value],
    K: ir.Value,
    R: ir.Value,
    rows: int,
    vectors: int,
) -> list[Value]:
    """for r: for k: sums += a * b; sums[i*vectors + j] is vector j of row i, at first `old`."""
    (a_row, a_col, a_outer), (b_row, b_outer) = a_strides, b_strides

    def step(pointer: ir.Value, by: ir.Value) -> ir.Value:
        return e.builder.gep(pointer, [by])

    a_rows = [e.builder.mul(a_row, index(i)) for i in range(rows)]

    def add(a: ir.Value, b: ir.Value, *sums: ir.Value) -> list[ir.Value]:
        """sums[i, j] += a[i] * b[j] for the pointers a and b to column k of A and row k of B."""
        b_vectors = [e.load(b, j * e.lanes) for j in range(vectors)]
        added = []
        for i in range(rows):
            number = e.load_spread(step(a, a_rows[i]))
            for j in range(vectors):
                total = Value(e, sums[i * vectors + j])
                added.append(e.multiply_add(number, b_vectors[j], total).ir)
        return [step(a, a_col), step(b, b_row), *added]

    def over_k(a: ir.Value, b: ir.Value, *sums: ir.Value) -> list[ir.Value]:
        _, _, *added = e.repeat(K, [a, b, *sums], add)
        return [step(a, a_outer), step(b, b_outer), *added]

    _, _, *sums = e.repeat(R, [a, b, *(total.ir for total in old)], over_k)
    return [Value(e, total) for total in sums]


def _lines(e: Emitter, start: ir.Value, row: ir.Value, rows: int) -> list[ir.Value]:
    """Pointers to the rows of a tile."""
    return [e.builder.gep(start, [e.builder.mul(row, index(i))]) for i in range(rows)]


def _load(e: Emitter, lines: list[ir.Value], vectors: int) -> list[Value]:
    return [e.load(line, j * e.lanes) for line in lines for j in range(vectors)]


def _store(e: Emitter, values: list[Value], lines: list[ir.Value], vectors: int) -> None:
    for n, value in enumerate(values):
        e.store(value, lines[n // vectors], n % vectors * e.lanes)
