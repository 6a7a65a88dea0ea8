"""Vectors of the CPU as instructions of LLVM: what microkernel.py and tile_transforms.py share.

Numba compiles through LLVM. In these files, and nowhere else, kernels are written in LLVM's
instructions, because LLVM does not find by itself how to keep a tile in registers (cpu.py and
linking.py only ask and tell it things). Vectors may be wider than the CPU's: LLVM then takes
several registers, so that these files work on every CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError

INDEX, LANE, BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)

# A product and a sum may become one instruction. Flags that let NaN or infinity vanish
# ("fast", "nnan", "ninf") have no place here.
FLAGS = ("contract",)


def index(value: int) -> ir.Constant:
    return ir.Constant(INDEX, value)


class Emitter:
    """Writes instructions on vectors of one dtype, float32 or float64."""

    def __init__(self, context: Any, builder: ir.IRBuilder, dtype: Any, vector_bytes: int) -> None:
        if dtype not in (types.float32, types.float64):
            raise TypingError(f"vectors are of float32 or float64. Received: {dtype}")
        self.context, self.builder = context, builder
        self.size = dtype.bitwidth // 8
        self.lanes = vector_bytes // self.size
        self.number = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.vector = ir.VectorType(self.number, self.lanes)
        self._wholes = ir.VectorType(ir.IntType(8 * self.size), self.lanes)
        self._bytes = ir.VectorType(BYTE, self.lanes)
        self.zero = self.constant(0.0)
        # One instruction where the CPU has it, else a product and a sum.
        self._multiply_add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(self.vector, [self.vector] * 3),
            f"llvm.fmuladd.v{self.lanes}f{8 * self.size}",
        )

    def pointer(self, kind: types.Array, array: ir.Value, offset: ir.Value) -> ir.Value:
        """Where array.reshape(-1)[offset] is."""
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [offset])

    def load(self, pointer: ir.Value, offset: int = 0) -> Value:
        """`lanes` numbers from there on; they need not be aligned."""
        place = self._place(pointer, offset, self.vector)
        return Value(self, self.builder.load(place, align=self.size))

    def store(self, value: Value, pointer: ir.Value, offset: int = 0) -> None:
        self.builder.store(value.ir, self._place(pointer, offset, self.vector), align=self.size)

    def load_bytes(self, pointer: ir.Value) -> ir.Value:
        """`lanes` bytes, as whole numbers as wide as the vector's."""
        place = self._place(pointer, 0, self._bytes)
        return self.builder.zext(self.builder.load(place, align=1), self._wholes)

    def store_bytes(self, wholes: ir.Value, pointer: ir.Value) -> None:
        narrow = self.builder.trunc(wholes, self._bytes)
        self.builder.store(narrow, self._place(pointer, 0, self._bytes), align=1)

    def _place(self, pointer: ir.Value, offset: int, kind: ir.Type) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(pointer, [index(offset)]), kind.as_pointer())

    def constant(self, number: float) -> Value:
        return Value(self, ir.Constant(self.vector, [number] * self.lanes))

    def whole(self, number: int) -> ir.Constant:
        return ir.Constant(self._wholes, [number] * self.lanes)

    def spread(self, number: ir.Value) -> ir.Value:
        """That number in every lane."""
        kind = ir.VectorType(number.type, self.lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.Constant(LANE, 0))
        mask = ir.Constant(ir.VectorType(LANE, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, mask)

    def load_spread(self, pointer: ir.Value) -> Value:
        """The one number there in every lane."""
        return Value(self, self.spread(self.builder.load(pointer, align=self.size)))

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """a * b + c"""
        return Value(self, self.builder.call(self._multiply_add, [a.ir, b.ir, c.ir]))

    def repeat(
        self, turns: ir.Value, values: list[ir.Value], body: Callable[..., list[ir.Value]]
    ) -> list[ir.Value]:
        """values = body(*values), `turns` times, at least once; returns the last ones.

        What changes from turn to turn is a "phi" in LLVM: one value when control comes
        from the block before the loop, another one when it comes from the loop's end.
        """
        builder, before = self.builder, self.builder.block
        loop, done = (builder.append_basic_block(name) for name in ("loop", "done"))
        builder.branch(loop)
        builder.position_at_end(loop)
        turn, *current = (builder.phi(value.type) for value in [index(0), *values])
        after = body(*current)
        next_turn = builder.add(turn, index(1))
        end = builder.block  # the body may have brought loops of its own
        for phi, first, later in zip(
            [turn, *current], [index(0), *values], [next_turn, *after], strict=True
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(later, end)
        builder.cbranch(builder.icmp_signed("<", next_turn, turns), loop, done)
        builder.position_at_end(done)
        return after


class Value:
    """A vector that can be calculated with: formulas read as they do for numbers."""

    def __init__(self, emitter: Emitter, value: ir.Value) -> None:
        self.e, self.ir = emitter, value

    def __add__(self, other: Value) -> Value:
        return Value(self.e, self.e.builder.fadd(self.ir, other.ir, flags=FLAGS))

    def __sub__(self, other: Value) -> Value:
        return Value(self.e, self.e.builder.fsub(self.ir, other.ir, flags=FLAGS))

    def __rmul__(self, factor: float) -> Value:
        factors = self.e.constant(factor)
        return Value(self.e, self.e.builder.fmul(self.ir, factors.ir, flags=FLAGS))

    def where(self, condition: ir.Value, otherwise: Value) -> Value:
        """This in lanes where the condition holds, else the other."""
        return Value(self.e, self.e.builder.select(condition, self.ir, otherwise.ir))

    def below(self, other: Value) -> ir.Value:
        """Where this < other: not where one is NaN."""
        return self.e.builder.fcmp_ordered("<", self.ir, other.ir)

    def not_above(self, other: Value) -> ir.Value:
        """Where not this > other: also where one is NaN."""
        return self.e.builder.fcmp_unordered("<=", self.ir, other.ir)

    def beats(self, other: Value) -> ir.Value:
        """Where this is the new maximum: greater, or the first NaN."""
        greater_or_nan = self.e.builder.fcmp_unordered(">", self.ir, other.ir)
        number = self.e.builder.fcmp_ordered("==", other.ir, other.ir)
        return self.e.builder.and_(greater_or_nan, number)
