"""Kernels one by one: bytes and operations a second, and how near to the roof that is."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.gpu.kernel_list import Draw, Kernel
from benchmarks.gpu.measuring import Ceilings, seconds_a_call, sets_of_inputs

HEAD = f"{'kernel':32}{'shape':>24}{'us':>10}{'GB/s':>9}{'TFLOP/s':>9}  of the roof"


def measure(card: Any, kernel: Kernel, roofs: Ceilings, rounds: int) -> dict[str, dict[str, Any]]:
    """Show a line of the table, return its numbers by the kernel's name."""
    found = numbers(kernel, seconds(card, kernel, rounds), roofs)
    print(row(kernel.name, found), flush=True)
    return {kernel.name: found}


def seconds(card: Any, kernel: Kernel, rounds: int) -> list[float]:
    """A call of the kernel, once a round, with rotating inputs."""
    backend = card.backend()
    draw = Draw(backend)
    sets = [kernel.inputs(draw) for _ in range(sets_of_inputs(card, kernel.cost.bytes))]
    calls = [lambda inputs=inputs: kernel.call(backend, *inputs) for inputs in sets]
    values = seconds_a_call(card, calls, rounds)
    del sets, calls
    card.release()
    return values


def numbers(kernel: Kernel, values: list[float], roofs: Ceilings) -> dict[str, Any]:
    """All that is known, for JSON."""
    median = statistics.median(values)
    cost = kernel.cost
    return {
        "shape": kernel.shape,
        "bytes": cost.bytes,
        "flops": cost.flops,
        "seconds": values,
        "median": median,
        "bytes_per_second": cost.bytes / median,
        "flops_per_second": cost.flops / median,
        "bound": roofs.bound(cost),
        "of_copy": cost.bytes / median / roofs.copy,
        "of_gemm": cost.flops / median / roofs.gemm,
        "of_roof": roofs.fraction(cost, median),
    }


def row(name: str, found: dict[str, Any]) -> str:
    """A line of the table."""
    return (
        f"{name:32}{found['shape']:>24}{1e6 * found['median']:10.1f}"
        f"{found['bytes_per_second'] / 1e9:9.0f}{found['flops_per_second'] / 1e12:9.2f}"
        f"  {found['of_roof']:.0%} of {found['bound']}"
    )
