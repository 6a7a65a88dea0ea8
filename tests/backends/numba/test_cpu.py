"""Vector registers: which CPU has which, and that the tile fits into them.

Those of other CPUs compute on this machine in test_other_vectors.py.
"""

import re

import llvmlite.binding as llvm
import pytest
from llvmlite import ir
from numba import types

from tinyconv.backends.numba import cpu, microkernel
from tinyconv.backends.numba.vector_ir import INDEX, Emitter

X86, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
CPUS = [
    (X86, "skylake-avx512", cpu.AVX512),
    (X86, "znver4", cpu.AVX512),
    (X86, "haswell", cpu.AVX2),
    (X86, "znver3", cpu.AVX2),
    (X86, "nehalem", cpu.SSE),
    (X86, "sandybridge", cpu.SSE),  # AVX, but it cannot multiply and add in one instruction
    (ARM, "apple-m1", cpu.NEON),
    (ARM, "neoverse-n1", cpu.NEON),
]


@pytest.fixture(scope="module", autouse=True)
def other_architectures():
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


@pytest.mark.parametrize(("triple", "name", "vector"), CPUS, ids=lambda value: str(value)[:12])
def test_registers_of_a_cpu(triple, name, vector):
    assert cpu.vector_of(triple, name, "") == vector


def test_an_unknown_architecture_is_served_by_plain_numba():
    assert cpu.vector_of("riscv64-unknown-linux-gnu", "generic", "") == cpu.PORTABLE


def assembly(triple: str, name: str, vector: cpu.Vector, rows: int, vectors: int, size: int) -> str:
    """The micro-kernel alone, compiled for that CPU, which need not be this one."""

    class Pointers(Emitter):
        def pointer(self, kind: None, array: ir.Value, offset: ir.Value) -> ir.Value:
            return self.builder.gep(array, [offset])

    module = ir.Module()
    number = (ir.FloatType() if size == 4 else ir.DoubleType()).as_pointer()
    # The order of microkernel.make's arguments: A and 4 numbers, B and 3, C and 4.
    kinds = [number, *[INDEX] * 4, number, *[INDEX] * 3, number, *[INDEX] * 4]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), "kernel")
    builder = ir.IRBuilder(function.append_basic_block())
    emitter = Pointers(None, builder, types.float32 if size == 4 else types.float64, vector.bytes)
    microkernel._emit(emitter, (None,) * 3, list(function.args), rows, vectors, False)
    builder.ret_void()
    target = llvm.Target.from_triple(triple).create_target_machine(cpu=name, opt=3)
    return target.emit_assembly(llvm.parse_assembly(str(module)))


def inner_loop(assembly: str) -> list[str]:
    """The instructions of the loop that is written first: from its label to the jump back."""
    lines = [line.strip() for line in assembly.splitlines()]
    labels = [i for i, line in enumerate(lines) if re.match(r"\.?L\w+:", line)]
    for i in reversed(labels):
        name = lines[i].partition(":")[0]
        for j in range(i, len(lines)):
            if re.match(rf"(b\.?|j)\w+\s+{re.escape(name)}\b", lines[j]):
                body = lines[i : j + 1]
                if not any(re.match(r"\.?L\w+:", line) for line in body[1:]):
                    return body
    raise AssertionError("no loop")


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize(("triple", "name", "vector"), CPUS, ids=lambda value: str(value)[:12])
def test_the_tile_stays_in_the_registers(triple, name, vector, size):
    """In the loop there are as many products as in the tile, and no vector goes to the stack."""
    rows, vectors = cpu.tile(vector)
    loop = inner_loop(assembly(triple, name, vector, rows, vectors, size))
    products = [line for line in loop if re.match(r"v?fn?ma?(dd|la)|mulp[sd]|vmulp[sd]", line)]
    assert len(products) == rows * vectors
    stacked = re.compile(r"(?=.*(%[xyz]mm|\b[qv]\d)).*(\(%rsp|\[sp)")
    assert not [line for line in loop if stacked.match(line)]
