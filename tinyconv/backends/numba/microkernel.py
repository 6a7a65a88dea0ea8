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
from numba.extending import intrinsic, overload
from numba.np.numpy_support import as_dtype

from tinyconv.backends.numba import cpu, portable
from tinyconv.backends.numba.vector_ir import Emitter, index

VECTOR = cpu.vector()
ROWS, VECTORS = cpu.tile(VECTOR)
HALF_ROWS = ROWS // 2


def lanes(dtype: Any) -> int:
    """Numbers of that dtype in one vector; callable in compiled code, too."""
    return VECTOR.bytes // int(np.dtype(dtype).itemsize)


@overload(lanes)
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
        n = types.intp
        signature = types.void(A, n, n, n, n, B, n, n, n, C, n, n, n, n)

        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            emitter = Emitter(builder, A.dtype, lanes(as_dtype(A.dtype)))
            _emit(emitter, context, signature.args, arguments, rows, vectors, accumulate)
            return context.get_dummy_value()

        return signature, generate

    return kernel


def _emit(
    e: Emitter,
    context: Any,
    kinds: tuple,
    arguments: tuple,
    rows: int,
    vectors: int,
    accumulate: bool,
) -> None:
    """The instructions: sums = 0 or C; for r: for k: sums += a * b; C = sums."""
    A, a0, a_row, a_col, a_outer, B, b0, b_row, b_outer, C, c0, c_row, K, R = arguments
    builder, tile = e.builder, [(i, j) for i in range(rows) for j in range(vectors)]
    a_start = e.at(e.pointer(context, kinds[0], A), a0)
    b_start = e.at(e.pointer(context, kinds[5], B), b0)
    c_start = e.at(e.pointer(context, kinds[9], C), c0)
    a_rows = [builder.mul(a_row, index(i)) for i in range(rows)]
    c_rows = [e.at(c_start, builder.mul(c_row, index(i))) for i in range(rows)]
    if accumulate:
        start = [e.load(c_rows[i], j * e.lanes) for i, j in tile]
    else:
        start = [e.constant(0.0)] * len(tile)

    # What changes from turn to turn of a loop is a "phi" in LLVM: one value on entering
    # from the block before, another one on coming back from the loop's own end.
    before = builder.block
    outer = builder.append_basic_block("outer")
    inner = builder.append_basic_block("inner")
    outer_end = builder.append_basic_block("outer_end")
    done = builder.append_basic_block("done")
    builder.branch(outer)

    builder.position_at_end(outer)
    outer_values = _phis(builder, [index(0), a_start, b_start, *start], before)
    r, a_of_r, b_of_r, *sums = outer_values
    builder.branch(inner)

    builder.position_at_end(inner)
    inner_values = _phis(builder, [index(0), a_of_r, b_of_r, *sums], outer)
    k, a, b, *sums = inner_values
    b_vectors = [e.load(b, j * e.lanes) for j in range(vectors)]
    for i in range(rows):
        a_vector = e.spread(builder.load(e.at(a, a_rows[i]), align=e.size))
        for j in range(vectors):
            sums[i * vectors + j] = e.multiply_add(a_vector, b_vectors[j], sums[i * vectors + j])
    next_k = builder.add(k, index(1))
    _come_back(inner_values, [next_k, e.at(a, a_col), e.at(b, b_row), *sums], inner)
    builder.cbranch(builder.icmp_signed("<", next_k, K), inner, outer_end)

    builder.position_at_end(outer_end)
    next_r = builder.add(r, index(1))
    _come_back(
        outer_values, [next_r, e.at(a_of_r, a_outer), e.at(b_of_r, b_outer), *sums], outer_end
    )
    builder.cbranch(builder.icmp_signed("<", next_r, R), outer, done)

    builder.position_at_end(done)
    for (i, j), value in zip(tile, sums, strict=True):
        e.store(value, c_rows[i], j * e.lanes)


def _phis(builder: ir.IRBuilder, values: list[ir.Value], before: ir.Block) -> list[ir.Value]:
    """One phi for each value, which it has on the first turn."""
    phis = [builder.phi(value.type) for value in values]
    _come_back(phis, values, before)
    return phis


def _come_back(phis: list[ir.Value], values: list[ir.Value], block: ir.Block) -> None:
    """On coming from that block, each phi has that value."""
    for phi, value in zip(phis, values, strict=True):
        phi.add_incoming(value, block)
