"""Winograd's tile transforms, `lanes` channels at a time.

F(m x m, 3 x 3) computes a tile of m x m outputs from a tile d of (m+2) x (m+2) inputs
(Lavin, Gray 2016, equation 8):

    y = A^T [ (G k G^T) * (B^T d B) ] A        summed over the channels inside [ ]

Winograd's matrices are in tile_matrices.py.

The functions below are for use inside compiled kernels. All read a square tile S and
write a square tile D, for `lanes` channels c of microkernel.lanes(dtype), and all
offsets and strides count numbers, as in microkernel.py:

    S[s0 + i*s_row + j*s_col + c]  ->  D[d0 + i*d_row + j*d_col + c]

    transform                                              tile S      tile D
    input2, input4        (S, s0, s_row, s_col,            m+2         m+2       B^T d B
                           D, d0, d_row, d_col)
    output2, output4      (S, ..., D, ...)                 m+2         m         A^T t A
    spread2, spread4      (S, ..., D, ...)                 m           m+2       A dy A^T
    expand2, expand4      (S, ..., D, ...)                 3           m+2       G k G^T
    reduce2, reduce4      (S, ..., D, ...)                 m+2         3         G^T t G
    finish2, finish4      (S, ..., D, ...,                 m+2         m         act(A^T t A + bias)
                           bias, b0, relu, codes)
    pool2, pool4          (the same)                       m+2         m/2       2x2 maximum of that
    codes2, codes4        (the same)                       m+2         m/2       ... and its place
    finish1               (the same)                       1           1         act(t + bias)
    pool1, codes1         (the same)                       2           1         the same, pooled
    unpool                (G, g0, codes, D, d0, d_row,     1           2         the way back
                           d_col, dbias, b0)

`spread` is the transpose of `output`, for the gradient of the kernel: summed over tiles,
dk = G^T [ (B^T d B) * (A dy A^T) ] G. `act` is ReLU where the integer
relu is not 0, else nothing; bias[b0 + c] is read in any case (zeros, if there is none).
codes, an array of uint8 laid out like D, is written by codes2 and codes4 only: 0 ... 3,
the first maximum's place in its window, row by row, or 4 where ReLU is shut. unpool puts
G[g0 + c], one pooled pixel's gradient, where codes[g0 + c] says, zeros elsewhere, and
adds it to dbias[b0 + c].

NaN counts as greater than anything, passes through ReLU and leaves it shut, as in the
textbook backend.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from tinyconv.backends.numba.microkernel import VECTOR
from tinyconv.backends.numba.tile_matrices import KERNEL as KERNEL
from tinyconv.backends.numba.tile_matrices import (
    Transform,
    both_axes,
    expand_2,
    expand_4,
    input_2,
    input_4,
    output_2,
    output_4,
    reduce_2,
    reduce_4,
    spread_2,
    spread_4,
)
from tinyconv.backends.numba.vector_ir import Emitter, Value, index

Square = list[list[Value]]


class Tile:
    """A tile in memory: where it begins, and how far its rows and columns are apart."""

    def __init__(self, e: Emitter, start: ir.Value, row: ir.Value, column: ir.Value) -> None:
        self.e, self.start, self.row, self.column = e, start, row, column

    def at(self, i: int, j: int) -> ir.Value:
        multiply, add = self.e.builder.mul, self.e.builder.add
        offset = add(multiply(self.row, index(i)), multiply(self.column, index(j)))
        return self.e.builder.gep(self.start, [offset])

    def load(self, size: int) -> Square:
        return [[self.e.load(self.at(i, j)) for j in range(size)] for i in range(size)]

    def store(self, values: Square) -> None:
        for i, row in enumerate(values):
            for j, value in enumerate(row):
                self.e.store(value, self.at(i, j))


def _plain(transform: Transform, size: int) -> Any:
    """(S, s0, s_row, s_col, D, d0, d_row, d_col), S being size x size."""
    n = types.intp

    @intrinsic
    def compiled(typing, S, s0, s_row, s_col, D, d0, d_row, d_col):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            s_array, s_start, s_row, s_col, d_array, d_start, d_row, d_col = arguments
            e = Emitter(context, builder, S.dtype, VECTOR.bytes)
            source = Tile(e, e.pointer(S, s_array, s_start), s_row, s_col)
            target = Tile(e, e.pointer(D, d_array, d_start), d_row, d_col)
            target.store(both_axes(transform, source.load(size)))
            return context.get_dummy_value()

        return types.void(S, n, n, n, D, n, n, n), generate

    return compiled


def _finishing(transform: Transform, size: int, pool: bool, with_codes: bool) -> Any:
    """(S, s0, s_row, s_col, D, d0, d_row, d_col, bias, b0, relu, codes), S being size x size."""
    n = types.intp

    @intrinsic
    def compiled(typing, S, s0, s_row, s_col, D, d0, d_row, d_col, bias, b0, relu, codes):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            s_array, s_start, s_row, s_col, d_array, d_start, d_row, d_col = arguments[:8]
            bias_array, bias_start, relu, codes_array = arguments[8:]
            e = Emitter(context, builder, S.dtype, VECTOR.bytes)
            source = Tile(e, e.pointer(S, s_array, s_start), s_row, s_col)
            target = Tile(e, e.pointer(D, d_array, d_start), d_row, d_col)
            relu_is_on = e.spread(builder.icmp_signed("!=", relu, index(0)))
            added = e.load(e.pointer(bias, bias_array, bias_start))
            tile = [[v + added for v in row] for row in both_axes(transform, source.load(size))]
            if pool:
                pooled = _pool(e, tile)
                tile = [[value for value, _ in row] for row in pooled]
            target.store([[_relu(e, value, relu_is_on) for value in row] for row in tile])
            if with_codes:
                target_codes = Tile(e, e.pointer(codes, codes_array, d_start), d_row, d_col)
                for i, row in enumerate(pooled):
                    for j, (value, code) in enumerate(row):
                        shut = builder.and_(relu_is_on, value.not_above(e.zero))
                        code = builder.select(shut, e.whole(4), code)
                        e.store_bytes(code, target_codes.at(i, j))
            return context.get_dummy_value()

        return types.void(S, n, n, n, D, n, n, n, bias, n, n, codes), generate

    return compiled


def _relu(e: Emitter, value: Value, relu_is_on: ir.Value) -> Value:
    return e.zero.where(e.builder.and_(relu_is_on, value.below(e.zero)), value)


def _pool(e: Emitter, tile: Square) -> list[list[tuple[Value, ir.Value]]]:
    """Of each 2 x 2 window the maximum, and the place of the first one, 0 ... 3."""

    def maximum(window: list[Value]) -> tuple[Value, ir.Value]:
        best, code = window[0], e.whole(0)
        for place in (1, 2, 3):
            better = window[place].beats(best)
            best = window[place].where(better, best)
            code = e.builder.select(better, e.whole(place), code)
        return best, code

    pairs = range(0, len(tile), 2)
    return [[maximum(tile[i][j : j + 2] + tile[i + 1][j : j + 2]) for j in pairs] for i in pairs]


@intrinsic
def _unpool(typing, G, g0, codes, D, d0, d_row, d_col, dbias, b0):  # type: ignore[no-untyped-def]
    """One pooled pixel's gradient back to its 2 x 2 window; see above."""
    n = types.intp

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        g_array, g_start, codes_array, d_array, d_start, d_row, d_col, b_array, b_start = arguments
        e = Emitter(context, builder, G.dtype, VECTOR.bytes)
        gradient = e.load(e.pointer(G, g_array, g_start))
        code = e.load_bytes(e.pointer(codes, codes_array, g_start))
        # As the textbook has it: the derivative is 0 where ReLU is shut, and 0 * NaN is NaN.
        shut = builder.icmp_signed("==", code, e.whole(4))
        gradient = (0.0 * gradient).where(shut, gradient)
        place = builder.and_(code, e.whole(3))
        window = Tile(e, e.pointer(D, d_array, d_start), d_row, d_col)
        for tap in range(4):
            here = builder.icmp_signed("==", place, e.whole(tap))
            e.store(gradient.where(here, e.zero), window.at(tap // 2, tap % 2))
        sums = e.pointer(dbias, b_array, b_start)
        e.store(e.load(sums) + gradient, sums)
        return context.get_dummy_value()

    return types.void(G, n, codes, D, n, n, n, dbias, n), generate


unpool: Any = _unpool
input2, input4 = _plain(input_2, 4), _plain(input_4, 6)
output2, output4 = _plain(output_2, 4), _plain(output_4, 6)
spread2, spread4 = _plain(spread_2, 2), _plain(spread_4, 4)
expand2, expand4 = _plain(expand_2, 3), _plain(expand_4, 3)
reduce2, reduce4 = _plain(reduce_2, 4), _plain(reduce_4, 6)
finish2, finish4 = (_finishing(t, m, False, False) for t, m in ((output_2, 4), (output_4, 6)))
pool2, pool4 = (_finishing(t, m, True, False) for t, m in ((output_2, 4), (output_4, 6)))
codes2, codes4 = (_finishing(t, m, True, True) for t, m in ((output_2, 4), (output_4, 6)))
# For convolutions of any other kind, whose result needs no transform.
finish1 = _finishing(list, 1, False, False)
pool1, codes1 = _finishing(list, 2, True, False), _finishing(list, 2, True, True)
