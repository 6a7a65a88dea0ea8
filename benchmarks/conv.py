"""How fast is each algorithm of convolution, on each layer of the networks?

Forward (with bias and ReLU) and both gradients, in GFLOP/s of the plain sum: 2 operations a
product, N*OH*OW * KH*KW*C * F products, whatever the algorithm really computes. So Winograd
may exceed the peak, which is measured too: the micro-kernel on numbers that stay in the
first-level cache, on all cores. The algorithms take turns, in one process.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.networks import build

if TYPE_CHECKING:
    from tinyconv.backends.numba.convolution.case import ConvCase

NETWORKS = {"cnn": 32, "cats vs dogs": 64, "vgg16": 32, "resnet50": 8}  # images at a time
OPERATIONS = ("forward", "dx", "dkernel")
MOST_FLOPS = 1e10  # of one turn: larger batches are cut, which changes little by then


def run(options: Any) -> dict[str, Any]:
    """A table a network: a row an operation of a layer, a column an algorithm."""
    from tinyconv.backends.numba.convolution.chooser import ALGORITHMS, choose

    peak = peak_flops(options.rounds)
    print(f"peak of the micro-kernel: {peak / 1e9:.0f} GFLOP/s")
    numbers: dict[str, Any] = {"peak GFLOP/s": peak / 1e9}
    networks = {"cnn": 2} if options.quick else NETWORKS
    for network, batch in networks.items():
        if options.only.lower() not in network:
            continue
        print(
            f"\n{network}, GFLOP/s (* is chosen)\n{'':42}" + "".join(f"{n:>15}" for n in ALGORITHMS)
        )
        for name, case in layers(network, batch):
            found = measure(case, options.rounds)
            choice = choose(case).name
            columns = [
                f"{found[n]:.0f}{'*' * (n == choice)}" if n in found else "" for n in ALGORITHMS
            ]
            title = f"{name} {case.operation}"
            print(f"{title:42}" + "".join(f"{column:>15}" for column in columns), flush=True)
            numbers[f"{network}: {title}"] = {"GFLOP/s": found, "chosen": choice}
    return numbers


def layers(network: str, batch: int) -> list[tuple[str, ConvCase]]:
    """Every operation of every convolution of a network, each shape once."""
    from tinyconv import explain

    rows: dict[ConvCase, str] = {}
    for row in explain.algorithms(build("tinyconv", network), batch):
        case = row.case
        case = case._replace(batch=max(1, min(batch, int(MOST_FLOPS / flops(case) * batch))))
        (H, W), (KH, KW), stride = case.window.input, case.window.size, case.window.strides[0]
        steps = f" /{stride}" if stride > 1 else ""
        rows.setdefault(
            case, f"{case.batch}x{H}x{W}x{case.channels} {KH}x{KW}{steps} {case.filters}"
        )
    return [(name, case) for case, name in rows.items()]


def flops(case: ConvCase) -> float:
    """Of the plain sum."""
    (OH, OW), (KH, KW) = case.window.output, case.window.size
    return 2.0 * case.batch * OH * OW * KH * KW * case.channels // case.groups * case.filters


def measure(case: ConvCase, rounds: int) -> dict[str, float]:
    """GFLOP/s of each algorithm that can do the case: the median of alternating turns."""
    from tinyconv.backends.numba.convolution.chooser import ALGORITHMS

    able = {n: a for n, a in ALGORITHMS.items() if a.reason_against(case) is None}
    turns = {name: _turn(algorithm, case) for name, algorithm in able.items()}
    for turn in turns.values():
        turn()  # compiles
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            started = time.perf_counter()
            turn()
            seconds[name].append(time.perf_counter() - started)
    return {name: flops(case) / statistics.median(own) / 1e9 for name, own in seconds.items()}


def _turn(algorithm: Any, case: ConvCase) -> Callable[[], Any]:
    """The operation on random numbers."""
    from tinyconv.backends.numba.convolution.case import Epilogue

    generator, window, groups = np.random.default_rng(0), case.window, case.groups

    def fill(*shape: int) -> Any:
        return generator.standard_normal(shape).astype(case.dtype)

    x = fill(case.batch, *window.input, case.channels)
    kernel = fill(*window.size, case.channels // groups, case.filters)
    dz = fill(case.batch, *window.output, case.filters)
    epilogue = Epilogue(fill(case.filters), relu=True)
    # A new kernel each time, as in training: else Winograd would keep the transformed one.
    return {
        "forward": lambda: algorithm.forward(x, kernel.copy(), window, groups, epilogue),
        "dx": lambda: algorithm.input_gradient(dz, kernel.copy(), window, groups),
        "dkernel": lambda: algorithm.kernel_gradient(x, dz, window, groups),
    }[case.operation]


def peak_flops(rounds: int) -> float:
    """The most operations a second that the micro-kernel reaches on all cores, float32."""
    from numba import njit, prange

    from tinyconv.backends.numba import _jit  # noqa: F401  (chooses the layer of threads)
    from tinyconv.backends.numba.convolution.implicit_gemm_loops import full_tile
    from tinyconv.backends.numba.convolution.packing import panel_width
    from tinyconv.backends.numba.microkernel import ROWS
    from tinyconv.backends.numba.threads import thread_count
    from tinyconv.backends.numba.workspace import empty

    K, width, times, threads = 64, panel_width(np.dtype("float32")), 20000, thread_count()

    def peak_loops(A: Any, B: Any, C: Any, K: int, width: int, times: int) -> None:
        for t in prange(A.shape[0]):
            for _ in range(times):
                full_tile(A[t], 0, K, 1, 0, B[t], 0, width, 0, C[t], 0, width, K, 1)

    kernel = njit(peak_loops, parallel=True)
    A, B, C = (empty((threads, 1 << 14), np.float32) for _ in range(3))
    A[...] = B[...] = 0.5
    kernel(A, B, C, K, width, 1)
    best = float("inf")
    for _ in range(max(3, rounds)):
        started = time.perf_counter()
        kernel(A, B, C, K, width, times)
        best = min(best, time.perf_counter() - started)
    return 2.0 * ROWS * width * K * times * threads / best
