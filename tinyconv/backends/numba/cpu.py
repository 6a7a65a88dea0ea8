"""The vector registers of the CPU at hand, and the tile of a product that fills them.

A CPU multiplies and adds whole registers: 16 float32 at a time with AVX-512, 8 with
AVX2, 4 with SSE or NEON. How wide they are and how many there are decides the shape
of the micro-kernel (microkernel.py):

                 bytes  registers   tile (rows x vectors)   registers in use
    AVX-512         64         32   14 x 2                  28 sums + 2 of B + 1 of A
    AVX2            32         16    6 x 2                  12 sums + 2 of B + 1 of A
    SSE             16         16    6 x 2
    NEON            16         32   10 x 2                  20 sums + 2 of B + 10 of A
    portable        32         16    6 x 2                  plain Numba (portable.py)

NUMBA_CPU_NAME=haswell and the like count as the CPU at hand: what LLVM knows of a
CPU of that name. TINYCONV_VECTOR=portable asks for plain Numba on any CPU; a CPU
that is not in the table gets it too.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from numba import config
from numba.core.registry import cpu_target


class Vector(NamedTuple):
    """Registers of one kind: their name, the bytes each holds, and how many there are."""

    name: str
    bytes: int
    registers: int


AVX512 = Vector("avx512", 64, 32)
AVX2 = Vector("avx2", 32, 16)
SSE = Vector("sse", 16, 16)
NEON = Vector("neon", 16, 32)
PORTABLE = Vector("portable", 32, 16)


@cache
def vector() -> Vector:
    """The registers to use; ValueError if TINYCONV_VECTOR is neither unset nor "portable"."""
    asked = os.environ.get("TINYCONV_VECTOR", "")
    if asked == "portable":
        return PORTABLE
    if asked:
        raise ValueError(f'TINYCONV_VECTOR must be "portable" or unset. Received: {asked!r}')
    settings: Any = config
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    if settings.CPU_NAME and settings.CPU_FEATURES is None:
        features = ""  # those of the CPU that was named, not of this one
    return vector_of(triple, name, features)


def vector_of(triple: str, name: str, features: str) -> Vector:
    """The registers that LLVM uses for that CPU.

    LLVM has no question for that; but the registers that it adds a long vector with
    are to be read in the assembly.
    """
    architecture = triple.partition("-")[0]
    if architecture in ("aarch64", "arm64"):
        return NEON
    if architecture != "x86_64":
        return PORTABLE
    target = llvm.Target.from_triple(triple).create_target_machine(cpu=name, features=features)
    assembly = target.emit_assembly(llvm.parse_assembly(_LONG_ADDITION))
    if "%zmm" in assembly:
        return AVX512
    return AVX2 if "%ymm" in assembly and "fmadd" in assembly else SSE


_LONG_ADDITION = """
declare <16 x float> @llvm.fmuladd.v16f32(<16 x float>, <16 x float>, <16 x float>)
define <16 x float> @probe(<16 x float> %a, <16 x float> %b, <16 x float> %c) {
  %sum = call <16 x float> @llvm.fmuladd.v16f32(<16 x float> %a, <16 x float> %b, <16 x float> %c)
  ret <16 x float> %sum
}
"""


def tile(vector: Vector) -> tuple[int, int]:
    """(rows, vectors) of the product's tile that keeps every register busy and none spilled.

    On ARM, LLVM loads a column of A into registers before it multiplies by any of it.
    """
    if vector.registers == 32:
        return (10, 2) if vector is NEON else (14, 2)
    return (6, 2)
