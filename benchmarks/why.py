"""What did each step from naive loops to Winograd buy? The figures of docs/why-it-is-fast.md.

Three pieces of work, each done in all the ways that there are for it:

second convolution of the CNN   14 x 14 x 32 -> 64, 3 x 3, batch 32: the sum alone, forward and
                                both gradients
its block                       the same with bias, ReLU and 2 x 2 pool, and all the way back
training step of the CNN        through fit, batch 32

Loops in Python would take minutes: they do one image and one filter, and the time is multiplied
by the number of images and filters. `--docs` writes the tables into the page.
"""

from __future__ import annotations

from typing import Any

from benchmarks import training
from benchmarks.contender import Contender, Turn
from benchmarks.convolution import Case, repeated
from benchmarks.lineup import KERAS, TORCH, line_up
from benchmarks.plot_why import draw_steps as draw
from benchmarks.report import Case as Comparison
from benchmarks.report import compare
from tinyconv.explain.algorithms import OPERATIONS
from tinyconv.geometry import slide

__all__ = ["block", "cases", "draw", "run", "step"]

OURS = ("tinyconv", "tinyconv.backends.numba")  # imported before
ONE_THREAD = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
WINDOW = slide((14, 14), (3, 3), (1, 1), "same")
CHANNELS, FILTERS, BATCH = 32, 64, 32

CONVOLUTION = "second convolution of the CNN: "
BLOCK = "its block with bias, ReLU and pool: "
STEP = "training step of the CNN through fit"
DIRECTIONS = ("forward", "backward")

# Names of the ways: in the tables, in the file and, with more words, on the page.
ALGORITHMS = {
    "im2col, NumPy": "textbook",
    "im2col, bands": "im2col",
    "implicit GEMM": "implicit_gemm",
    "Winograd F(2x2)": "winograd_2x2",
    "Winograd F(4x4)": "winograd_4x4",
}
ALONE = {"implicit GEMM, 1 thread": "implicit_gemm", "F(4x4), 1 thread": "winograd_4x4"}
BLOCKS = {
    "implicit GEMM": ("implicit_gemm", False),
    "implicit GEMM, fused": ("implicit_gemm", True),
    "Winograd F(4x4)": ("winograd_4x4", False),
    "Winograd F(4x4), fused": ("winograd_4x4", True),
}
STEPS: dict[str, tuple[str, str | None, bool]] = {
    "im2col, NumPy": ("numpy", None, False),
    "im2col, bands": ("numba", "im2col", False),
    "implicit GEMM": ("numba", "implicit_gemm", False),
    "implicit GEMM, fused": ("numba", "implicit_gemm", True),
    "as chosen, fused": ("numba", None, True),
    "as chosen": ("numba", None, False),
}


def run(options: Any) -> dict[str, Any]:
    """All turns and ratios, by piece of work."""
    return compare(options.chosen(cases(options)), options.rounds)


def cases(options: Any) -> list[Comparison]:
    """The convolution alone, its block, and the whole step."""
    batch, least = (2, 0.005) if options.quick else (BATCH, 0.2)
    found = []
    for operation in OPERATIONS:
        case = Case(batch, WINDOW, CHANNELS, FILTERS, 1, operation)
        contenders = _convolutions({"case": case, "least": least}, options.contenders)
        found.append(Comparison(CONVOLUTION + operation, contenders, "call"))
    for direction in DIRECTIONS:
        shared = {"direction": direction, "batch": batch, "least": least}
        blocks = [
            Contender(
                name, "benchmarks.why:block", {**shared, "conv": conv, "fused": fused}, {}, OURS
            )
            for name, (conv, fused) in BLOCKS.items()
        ]
        found.append(Comparison(BLOCK + direction, blocks, "call"))
    steps = _steps({"batch": batch, "steps": 4 if options.quick else 160}, options)
    return [*found, Comparison(STEP, steps)]


def _convolutions(shared: dict[str, Any], names: list[str]) -> list[Contender]:
    found = [
        Contender(name, "benchmarks.convolution:by_loops", {**shared, "compiled": compiled})
        for name, compiled in (("Python loops, scaled", False), ("loops, Numba", True))
    ]
    shared = {**shared, "epilogue": False}
    for known, environment in ((ALGORITHMS, {}), (ALONE, ONE_THREAD)):
        found += [
            Contender(
                name, "benchmarks.convolution:by_tinyconv", {**shared, "algorithm": algorithm},
                {}, OURS, environment,
            )
            for name, algorithm in known.items()
        ]  # fmt: skip
    if KERAS in names:
        ways = {"graph": {"jit_compile": False}, "XLA": {"jit_compile": True}}
        factory, imports = "benchmarks.convolution:by_keras", ("tensorflow",)
        found.append(Contender(KERAS, factory, shared, ways, imports, peer=True))
    if TORCH in names:
        factory, imports = "benchmarks.convolution:by_torch", ("torch",)
        found.append(Contender("PyTorch", factory, shared, {}, imports, peer=True))
    return found


def _steps(shared: dict[str, Any], options: Any) -> list[Contender]:
    def one(name: str, way: tuple[str, str | None, bool], **environment: str) -> Contender:
        backend, conv, fused = way
        own = {**shared, "backend": backend, "conv": conv, "fused": fused}
        imports = "tinyconv", f"tinyconv.backends.{backend}"
        return Contender(name, "benchmarks.why:step", own, {}, imports, environment)

    found = [one(name, way) for name, way in STEPS.items()]
    found.append(one("as chosen, fused, 1 thread", STEPS["as chosen, fused"], **ONE_THREAD))
    peers = [name for name in (KERAS, TORCH) if name in options.contenders]
    return found + line_up(
        peers, "benchmarks.training:fit", "benchmarks.training:torch_fit",
        {"network": "cnn", **shared}, None if options.quick else training.SETTINGS,
    )  # fmt: skip


def block(conv: str, fused: bool, direction: str, batch: int, least: float) -> Turn:
    """Convolution, bias, ReLU and pool as a model, by one algorithm; `fused`: by the plan."""
    import numpy as np

    import tinyconv
    from benchmarks.networks import images
    from tinyconv import config, layers

    tinyconv.use_backend("numba", conv)
    config.set_planning(fused)
    convolution = layers.Conv2D(FILTERS, 3, padding="same", activation="relu")
    shape = (*WINDOW.input, CHANNELS)
    model = tinyconv.Sequential([tinyconv.Input(shape), convolution, layers.MaxPooling2D(2)])
    x = images(shape, batch)
    y, cache = model.forward(x, training=True)
    dy, kernel = np.ones_like(y), model.weights[0].value

    def forward() -> None:
        kernel.flat[0] = -kernel.flat[0]  # as in training; else Winograd would keep it transformed
        model.forward(x, training=True)

    return repeated(forward if direction == "forward" else lambda: model.backward(dy, cache), least)


def step(backend: str, conv: str | None, fused: bool, batch: int, steps: int) -> Turn:
    """A turn of `fit`, by one backend, algorithm and plan."""
    import tinyconv
    from tinyconv import config

    tinyconv.use_backend(backend, conv)
    config.set_planning(fused)
    return training.fit("tinyconv", "cnn", batch, steps)
