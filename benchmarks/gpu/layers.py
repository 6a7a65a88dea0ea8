"""Convolution layers, forward and both gradients, against cuDNN.

The convolutions of the book's CNN, of VGG16 and of ResNet-50, each shape once, without bias
and activation. cuDNN is asked by PyTorch in channels_last, and may try its algorithms before
it is measured. Both compute in float32, and once more with products in TF32. Operations are
counted as the plain sum has them, whatever the algorithm computes.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.contender import Contender, Turn
from benchmarks.conv import layers
from benchmarks.convolution import Case
from benchmarks.gpu.card import CARDS, made
from benchmarks.gpu.measuring import Ceilings, Cost, seconds_a_call, sets_of_inputs
from benchmarks.harness import one_after_the_other

NETWORKS = {"cnn": 32, "vgg16": 32, "resnet50": 32}  # images at a time
TIMINGS = 5  # in one turn, which is their median
OURS, CUDNN = "tinyconv (cupy)", "cuDNN"


def cost(case: Case) -> Cost:
    """Of the image, the result and the kernel two are read and one is written, in any of the
    three operations."""
    x, kernel, dz = (math.prod(shape) for shape in shapes(case))
    return Cost(4 * (x + kernel + dz), 2 * case.products)


def measure(
    network: str, batch: int, roofs: Ceilings, rounds: int, torch: bool
) -> dict[str, dict[str, Any]]:
    """A table a precision, and its numbers by title."""
    chosen = layers(network, batch, most=math.inf)
    found: dict[str, dict[str, Any]] = {}
    for tf32 in (False, True):
        precision = "TF32" if tf32 else "float32"
        print(f"\n{network}, batch {batch}, {precision}\n{head(torch)}", flush=True)
        parties = contenders(tf32, torch)
        turns = one_after_the_other(parties, [{"case": case} for _, case in chosen], rounds)
        for (layer, case), values in zip(chosen, turns, strict=True):
            own = {each.name: times for each, times in zip(parties, values, strict=True)}
            title = f"{network}: {layer} {case.operation}, {precision}"
            found[title] = numbers(network, case, own, roofs, tf32)
            print(row(title, found[title]), flush=True)
    return found


def contenders(tf32: bool, torch: bool) -> list[Contender]:
    """We, and PyTorch if it takes part."""
    ours = Contender(
        OURS, "benchmarks.gpu.layers:by_tinyconv", {"tf32": tf32, "card": CARDS["tinyconv"]}
    )
    theirs = Contender(
        CUDNN, "benchmarks.gpu.layers:by_torch", {"tf32": tf32, "card": CARDS["torch"]}, peer=True
    )
    return [ours, theirs] if torch else [ours]


def by_tinyconv(card: str, tf32: bool, case: Case) -> Turn:
    """A turn of ours."""
    device = _the(card)
    return turn_of(device, device.backend(tf32), case)


def turn_of(device: Any, backend: Any, case: Case) -> Turn:
    """A turn of one of our backends on this device."""
    generator, window, groups = device.xp.random.default_rng(0), case.window, case.groups

    def call() -> Callable[[], Any]:
        x, kernel, dz = (
            generator.standard_normal(shape, dtype="float32") for shape in shapes(case)
        )
        return {
            "forward": lambda: backend.conv2d(x, kernel, window, groups),
            "dx": lambda: backend.conv2d_input_gradient(dz, kernel, window, groups),
            "dkernel": lambda: backend.conv2d_kernel_gradient(x, dz, window, groups),
        }[case.operation]

    return _turn(device, case, call)


def by_torch(card: str, tf32: bool, case: Case) -> Turn:
    """A turn of cuDNN's, by PyTorch."""
    import torch

    device = _the(card)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    padding, strides, dilation = symmetric(case), case.window.strides, case.window.dilation

    def call() -> Callable[[], Any]:
        x, kernel, dz = (torch.randn(shape, device=device.device) for shape in shapes(case))
        x, dz = (each.permute(0, 3, 1, 2) for each in (x, dz))  # channels_last, as they lie
        kernel = kernel.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        if case.operation == "forward":
            return lambda: torch.nn.functional.conv2d(
                x, kernel, None, strides, padding, dilation, case.groups
            )
        wanted = [case.operation == "dx", case.operation == "dkernel", False]
        return lambda: torch.ops.aten.convolution_backward(
            dz, x, kernel, None, strides, padding, dilation, False, [0, 0], case.groups, wanted
        )

    return _turn(device, case, call)


@functools.cache
def _the(card: str) -> Any:
    """One card in each process."""
    return made(card)


def _turn(device: Any, case: Case, make: Callable[[], Callable[[], Any]]) -> Turn:
    """The median of a few timings; the inputs are made in the turn, and go with it."""

    def turn() -> float:
        calls = [make() for _ in range(sets_of_inputs(device, cost(case).bytes))]
        found = statistics.median(seconds_a_call(device, calls, TIMINGS))
        calls.clear()
        device.release()
        return found

    return turn


def shapes(case: Case) -> tuple[tuple[int, ...], ...]:
    """Of x, kernel and dz."""
    return (
        (case.batch, *case.window.input, case.channels),
        (*case.window.size, case.channels // case.groups, case.filters),
        (case.batch, *case.window.output, case.filters),
    )


def symmetric(case: Case) -> tuple[int, int]:
    """The padding as PyTorch takes it.

    Raises:
        ValueError: if there is more on one side.
    """
    (top, bottom), (left, right) = case.window.padding
    if top != bottom or left != right:
        raise ValueError(f"PyTorch pads both sides alike, {case} does not")
    return top, left


def numbers(
    network: str, case: Case, own: dict[str, list[float]], roofs: Ceilings, tf32: bool
) -> dict[str, Any]:
    """All that is known, for JSON."""
    needed = cost(case)
    medians = {name: statistics.median(values) for name, values in own.items()}
    found: dict[str, Any] = {
        "network": network,
        "operation": case.operation,
        "tf32": tf32,
        "bytes": needed.bytes,
        "flops": needed.flops,
        "seconds": own,
        "medians": medians,
        "flops_per_second": {name: needed.flops / each for name, each in medians.items()},
        "of_roof": {name: roofs.fraction(needed, each, tf32) for name, each in medians.items()},
        "bound": roofs.bound(needed, tf32),
    }
    if CUDNN in own:
        rounds = zip(own[OURS], own[CUDNN], strict=True)
        found["ratio_to_cudnn"] = statistics.median(ours / theirs for ours, theirs in rounds)
    return found


def head(torch: bool) -> str:
    """The table's first line."""
    theirs = f"{'cuDNN us':>12}{'TFLOP/s':>9}{'ratio':>8}" if torch else ""
    return f"{'':58}{'us':>10}{'TFLOP/s':>9}{theirs}  of the roof"


def row(title: str, found: dict[str, Any]) -> str:
    """A line of the table; ratio: our time over cuDNN's."""

    def one(name: str, width: int) -> str:
        microseconds = 1e6 * found["medians"][name]
        return f"{microseconds:{width}.1f}{found['flops_per_second'][name] / 1e12:9.2f}"

    theirs = f"{one(CUDNN, 12)}{found['ratio_to_cudnn']:8.2f}" if CUDNN in found["medians"] else ""
    return f"{title:58}{one(OURS, 10)}{theirs}  {found['of_roof'][OURS]:.0%} of {found['bound']}"


def slowest(found: dict[str, dict[str, Any]]) -> str:
    """A sentence: the forward passes' worst ratio to cuDNN, by precision."""
    told = []
    for tf32, precision in ((False, "float32"), (True, "TF32")):
        rows = {
            title: each["ratio_to_cudnn"]
            for title, each in found.items()
            if each["tf32"] == tf32 and each["operation"] == "forward" and "ratio_to_cudnn" in each
        }
        if rows:
            title = max(rows, key=rows.__getitem__)
            told.append(f"{precision}: at most {rows[title]:.2f} ({title})")
    return "forward, our time over cuDNN's: " + "; ".join(told) if told else ""
