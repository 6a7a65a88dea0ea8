"""How fast is each algorithm of convolution, on each layer of the networks?

Forward (with bias and ReLU) and both gradients, in GFLOP/s of the plain sum: 2 operations a
product, N*OH*OW * KH*KW*C * F products, whatever the algorithm really computes. So Winograd
may exceed the peak, which is measured too: the micro-kernel on numbers that stay in the
first-level cache, on all cores. Each algorithm has a process of its own, and so have PyTorch
(channels_last) and TensorFlow; they take turns at a layer, and then go on to the next.
"""

from __future__ import annotations

import math
import statistics
import time
from typing import Any

from benchmarks.contender import Contender, Turn
from benchmarks.convolution import Case
from benchmarks.harness import alternate, one_after_the_other
from benchmarks.lineup import KERAS
from benchmarks.networks import build
from benchmarks.plot_layers import draw_layers as draw
from benchmarks.report import Spread

__all__ = ["draw", "layers", "peak", "run"]

NETWORKS = {"cnn": 32, "cats vs dogs": 64, "vgg16": 32, "resnet50": 8}  # images at a time
MOST_PRODUCTS = 5e9  # of one call: larger batches are cut, which changes little by then
LEAST_SECONDS = 0.02  # of a turn


def run(options: Any) -> dict[str, Any]:
    """A table a network: a row an operation of a layer, a column an algorithm or a peer."""
    networks = {"cnn": 2} if options.quick else NETWORKS
    chosen = [name for name in networks if options.only.lower() in name]
    if not chosen:
        raise SystemExit(f"--only {options.only!r} is in none of these: {', '.join(networks)}")
    (result,) = alternate([Contender("the micro-kernel", "benchmarks.conv:peak")], options.rounds)
    highest = max(result.values)
    print(f"peak of the micro-kernel: {highest:.0f} GFLOP/s")
    contenders = line_up(options.contenders)
    found = {}
    for network in chosen:
        rows = layers(network, networks[network])
        print(_head(network, contenders))
        pieces = [{"case": case} for _, case in rows]
        turns = one_after_the_other(contenders, pieces, options.rounds)
        for (layer, case), values in zip(rows, turns, strict=True):
            row = _row(contenders, values, case, chosen_for(case))
            print(_line(f"{layer} {case.operation}", row, contenders), flush=True)
            title = f"{network}: {layer} {case.operation}"
            found[title] = {"network": network, "layer": layer, "operation": case.operation, **row}
    return {"peak GFLOP/s": highest, "layers": found}


def line_up(names: list[str]) -> list[Contender]:
    """Our algorithms, and the peers that were asked for."""
    from tinyconv.backends.numba.convolution.chooser import ALGORITHMS

    shared = {"least": LEAST_SECONDS, "epilogue": True}
    ours = [*(ALGORITHMS if "numba" in names else ()), *(["textbook"] if "numpy" in names else [])]
    found = [
        Contender(name, "benchmarks.convolution:by_tinyconv", {**shared, "algorithm": name})
        for name in ours
    ]
    if KERAS in names:
        found.append(Contender(KERAS, "benchmarks.convolution:by_keras", shared, peer=True))
    if "torch" in names:
        found.append(Contender("PyTorch", "benchmarks.convolution:by_torch", shared, peer=True))
    return found


def layers(network: str, batch: int, most: float = MOST_PRODUCTS) -> list[tuple[str, Case]]:
    """Every operation of every convolution of a network, each shape once; batches are cut so that
    none has more than `most` products."""
    from tinyconv import explain

    rows: dict[Case, str] = {}
    for row in explain.algorithms(build("tinyconv", network), batch):
        window, channels, filters, groups = row.case[1:5]
        case = Case(batch, window, channels, filters, groups, row.case.operation)
        case = case._replace(batch=int(max(1, min(batch, most / case.products * batch))))
        (H, W), (KH, KW), stride = window.input, window.size, window.strides[0]
        steps = f" /{stride}" if stride > 1 else ""
        rows.setdefault(case, f"{case.batch}x{H}x{W}x{channels} {KH}x{KW}{steps} {filters}")
    return [(name, case) for case, name in rows.items()]


def chosen_for(case: Case) -> str:
    """The name of the algorithm that a model gets."""
    import numpy as np

    from tinyconv.backends.numba.convolution.case import ConvCase
    from tinyconv.backends.numba.convolution.chooser import choose

    return choose(ConvCase(*case[:5], np.dtype("float32"), case.operation)).name


def _row(
    contenders: list[Contender], values: list[list[float]], case: Case, chosen: str
) -> dict[str, Any]:
    """Seconds and speed of all who can do the case; the chosen one against the fastest peer."""
    seconds = {
        contender.name: own
        for contender, own in zip(contenders, values, strict=True)
        if not math.isnan(own[0])
    }
    medians = {name: statistics.median(own) for name, own in seconds.items()}
    peers = [each.name for each in contenders if each.peer and each.name in seconds]
    peer = min(peers, key=medians.__getitem__, default=None)
    ratio = None
    if peer and chosen in seconds:
        rounds = [own / other for own, other in zip(seconds[chosen], seconds[peer], strict=True)]
        ratio = Spread.of(rounds)._asdict()
    return {
        "GFLOP/s": {name: 2e-9 * case.products / each for name, each in medians.items()},
        "seconds": seconds,
        "chosen": chosen,
        "fastest_peer": peer,
        "ratio_to_fastest_peer": ratio,
    }


def _head(network: str, contenders: list[Contender]) -> str:
    names = "".join(f"{contender.name:>15}" for contender in contenders)
    told = "GFLOP/s (* is chosen; ratio: its time over the fastest peer's)"
    return f"\n{network}, {told}\n{'':42}{names}   ratio (quartiles)"


def _line(title: str, row: dict[str, Any], contenders: list[Contender]) -> str:
    speeds, ratio = row["GFLOP/s"], row["ratio_to_fastest_peer"]
    columns = [
        f"{speeds[each.name]:.0f}{'*' * (each.name == row['chosen'])}"
        if each.name in speeds
        else ""
        for each in contenders
    ]
    compared = ""
    if ratio:
        compared = f"   {ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"
    return f"{title:42}" + "".join(f"{column:>15}" for column in columns) + compared


def peak() -> Turn:
    """GFLOP/s that the micro-kernel reaches on all cores, float32."""
    import numpy as np
    from numba import njit, prange

    from tinyconv.backends.numba import _jit, microkernel  # _jit chooses the layer of threads
    from tinyconv.backends.numba.threads import thread_count
    from tinyconv.backends.numba.workspace import empty

    assert _jit
    K, times, threads = 64, 20000, thread_count()
    width = microkernel.VECTORS * microkernel.lanes(np.dtype("float32"))
    tile = microkernel.make(microkernel.ROWS, microkernel.VECTORS, False)

    def loops(A: Any, B: Any, C: Any, K: int, width: int, times: int) -> None:
        for t in prange(A.shape[0]):
            for _ in range(times):
                tile(A[t], 0, K, 1, 0, B[t], 0, width, 0, C[t], 0, width, K, 1)

    kernel = njit(loops, parallel=True)
    A, B, C = (empty((threads, 1 << 14), np.dtype("float32")) for _ in range(3))
    A[...] = B[...] = 0.5
    products = microkernel.ROWS * width * K * times * threads
    kernel(A, B, C, K, width, 1)  # compiles

    def turn() -> float:
        started = time.perf_counter()
        kernel(A, B, C, K, width, times)
        return 2e-9 * products / (time.perf_counter() - started)

    return turn
