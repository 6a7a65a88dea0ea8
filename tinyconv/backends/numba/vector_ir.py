"""Vectors of the CPU in LLVM's intermediate representation: what the emitters share.

Numba compiles through LLVM. Here, in microkernel.py and in tile_transforms.py (and
nowhere else) its instructions are written by hand, because LLVM does not find by
itself how to keep a tile of a matrix product in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

INDEX = ir.IntType(64)
LANE = ir.IntType(32)


def index(value: int) -> ir.Constant:
    return ir.Constant(INDEX, value)


class Emitter:
    """Writes instructions on vectors of `lanes` numbers of one dtype."""

    def __init__(self, builder: ir.IRBuilder, dtype: types.Type, lanes: int) -> None:
        self.builder = builder
        self.number = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
        self.size = 4 if dtype == types.float32 else 8
        self.lanes = lanes
        self.vector = ir.VectorType(self.number, lanes)
        suffix = f"v{lanes}f{8 * self.size}"
        # One instruction where the CPU has it, else a product and a sum.
        self._multiply_add = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(self.vector, [self.vector] * 3),
            f"llvm.fmuladd.{suffix}",
        )

    def pointer(self, context: Any, array_type: types.Array, array: ir.Value) -> ir.Value:
        """Where the numbers of an array begin."""
        data = context.make_array(array_type)(context, self.builder, array).data
        return self.builder.bitcast(data, self.number.as_pointer())

    def at(self, pointer: ir.Value, offset: ir.Value) -> ir.Value:
        return self.builder.gep(pointer, [offset])

    def load(self, pointer: ir.Value, offset: int = 0) -> ir.Value:
        """`lanes` numbers from there on; they need not be aligned."""
        place = self.builder.bitcast(self.at(pointer, index(offset)), self.vector.as_pointer())
        return self.builder.load(place, align=self.size)

    def store(self, value: ir.Value, pointer: ir.Value, offset: int = 0) -> None:
        place = self.builder.bitcast(self.at(pointer, index(offset)), self.vector.as_pointer())
        self.builder.store(value, place, align=self.size)

    def constant(self, value: float) -> ir.Constant:
        return ir.Constant(self.vector, [value] * self.lanes)

    def spread(self, number: ir.Value) -> ir.Value:
        """A vector with that number in every lane."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.Constant(LANE, 0))
        mask = ir.Constant(ir.VectorType(LANE, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, mask)

    def multiply_add(self, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
        """a * b + c"""
        return self.builder.call(self._multiply_add, [a, b, c])
