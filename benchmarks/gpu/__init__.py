"""What does a GPU make of it? Kernels, layers and whole steps on the card at hand.

Kernels one by one, as fractions of what a copy and a matrix product reach on the same card;
layers against cuDNN and whole steps against PyTorch, where that is installed. Times are the
device's own, by events, warmed up, with inputs that take turns so that none is in the cache;
what is told is the median.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.gpu import algorithms, card, kernels, layers, training
from benchmarks.gpu.kernel_list import kernels as kernel_list
from benchmarks.gpu.kernel_list import numba_cuda_kernels
from benchmarks.gpu.measuring import ceilings
from benchmarks.gpu.roofline import draw

__all__ = ["draw", "run"]

IMAGES, SIZE = 128, 56  # that kernels work on


def run(options: Any) -> dict[str, Any]:
    """Tables of all whose title has `options.only` in it, and their numbers with the card's.

    What fails is told, and the rest goes on.

    Raises:
        SystemExit: with status 1, if there is no device, or nothing with such a title.
    """
    device = _card_or_exit()
    torch = "torch" in options.contenders
    ways = card.class_of(card.CARDS["torch"]).ways if torch else ()
    found_kernels = [each for each in _kernels(device, options.quick) if _in(options, each.name)]
    networks = _networks(options, "layers")
    tried = _networks(options, "algorithms")
    steps = [case for case in training.cases(ways, options.quick) if _in(options, case.title)]
    if not (found_kernels or networks or tried or steps):
        raise SystemExit(
            f"--only {options.only!r} is in no kernel, no step, no `layers of` or `algorithms of`"
        )

    parts = ("kernels", "algorithms", "layers", "training", "failed")
    numbers: dict[str, Any] = {"card": device.describe(), **{part: {} for part in parts}}
    roofs = ceilings(device, options.rounds, options.quick)
    numbers["ceilings"] = roofs._asdict()
    print(_about(numbers["card"], roofs), flush=True)

    def attempt(title: str, part: str, work: Callable[[], dict[str, Any]]) -> None:
        try:
            numbers[part] |= work()
        except Exception as error:
            numbers["failed"][title] = f"{type(error).__name__}: {error}"
            print(f"{title} failed: {numbers['failed'][title]}", flush=True)

    if found_kernels:
        print(f"\n{kernels.HEAD}")
    for kernel in found_kernels:
        work = partial(kernels.measure, device, kernel, roofs, options.rounds)
        attempt(kernel.name, "kernels", work)
    for network, batch in tried.items():
        work = partial(algorithms.measure, device, network, batch, options.rounds)
        attempt(f"algorithms of {network}", "algorithms", work)
    if numbers["algorithms"]:
        print(algorithms.missed(numbers["algorithms"]))
    for network, batch in networks.items():
        work = partial(layers.measure, network, batch, roofs, options.rounds, torch)
        attempt(f"layers of {network}", "layers", work)
    if numbers["layers"]:
        print(f"\n{layers.slowest(numbers['layers'])}")
    for case in steps:
        attempt(case.title, "training", partial(training.measure, case, options.rounds))
    return numbers


def _card_or_exit() -> Any:
    try:
        return card.made(card.CARDS["tinyconv"])
    except (ImportError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SystemExit(f"python -m benchmarks gpu: no device to measure: {reason}") from None


def _kernels(device: Any, quick: bool) -> list[Any]:
    size = (2, 8) if quick else (IMAGES, SIZE)
    return [*kernel_list(*size), *(numba_cuda_kernels(*size) if device.has_numba_cuda else [])]


def _networks(options: Any, what: str) -> dict[str, int]:
    networks = {"cnn": 2} if options.quick else layers.NETWORKS
    return {n: batch for n, batch in networks.items() if _in(options, f"{what} of {n}")}


def _in(options: Any, title: str) -> bool:
    return options.only.lower() in title.lower()


def _about(about: dict[str, Any], roofs: Any) -> str:
    libraries = ", ".join(
        f"{name} {about[name]}" for name in ("cupy", "torch", "cudnn") if about.get(name)
    )
    return (
        f"{about['name']}, driver {about['driver']}, {libraries}\n"
        f"copy {roofs.copy / 1e9:,.0f} GB/s (read and written), matrix product "
        f"{roofs.gemm / 1e12:.1f} TFLOP/s in float32, {roofs.gemm_tf32 / 1e12:.1f} with TF32"
    )
