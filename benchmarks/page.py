"""The tables of docs/why-it-is-fast.md, made of the numbers of `why`: none is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import marks
from benchmarks.report import Spread
from tinyconv.explain.algorithms import OPERATIONS

PAGE = Path(__file__).parents[1] / "docs" / "why-it-is-fast.md"
BEGIN, END = marks.begin("why"), marks.END
NOT_MEASURED = (
    "*Not measured yet: `python -m benchmarks why --json benchmarks/results/why.json --docs` "
    "writes its tables here.*"
)

# What a way is called on the page, and the step that it is compared with.
_CONVOLUTION = {
    "Python loops, scaled": ("six loops in Python (2,048 times one image and one filter)", None),
    "loops, Numba": ("the same loops compiled, one thread", "Python loops, scaled"),
    "im2col, NumPy": ("columns of the whole batch, BLAS on all cores", "loops, Numba"),
    "im2col, bands": ("columns in the cache, our own product, on all cores", "im2col, NumPy"),
    "implicit GEMM": ("no columns: the micro-kernel on the image", "im2col, bands"),
    "Winograd F(2x2)": ("Winograd F(2x2, 3x3)", "implicit GEMM"),
    "Winograd F(4x4)": ("Winograd F(4x4, 3x3)", "Winograd F(2x2)"),
    "implicit GEMM, 1 thread": ("implicit GEMM, one thread", None),
    "F(4x4), 1 thread": ("Winograd F(4x4, 3x3), one thread", None),
    "tf.keras": ("TensorFlow", None),
    "PyTorch": ("PyTorch, channels_last", None),
}
_BLOCK = {
    "implicit GEMM": ("implicit GEMM, one after the other", None),
    "implicit GEMM, fused": ("implicit GEMM, fused", "implicit GEMM"),
    "Winograd F(4x4)": ("Winograd F(4x4, 3x3), one after the other", None),
    "Winograd F(4x4), fused": ("Winograd F(4x4, 3x3), fused", "Winograd F(4x4)"),
}
_STEP = {
    "im2col, NumPy": ("NumPy: columns of the whole batch", None),
    "im2col, bands": ("Numba: columns in the cache", "im2col, NumPy"),
    "implicit GEMM": ("implicit GEMM", "im2col, bands"),
    "implicit GEMM, fused": ("implicit GEMM, fused", "implicit GEMM"),
    "as chosen, fused": ("as the chooser has it, fused: what you get", "implicit GEMM, fused"),
    "as chosen": ("as the chooser has it, nothing fused", None),
    "as chosen, fused, 1 thread": ("the same, one thread", None),
    "tf.keras": ("tf.keras", None),
    "PyTorch": ("PyTorch, channels_last", None),
}
_LAST = "Winograd F(4x4)"


def write(numbers: Path, page: Path = PAGE) -> None:
    """Put the tables of a file between the two marks of the page."""
    marks.put(page, "why", tables(json.loads(numbers.read_text(encoding="utf-8"))))


def written(page: Path = PAGE) -> str:
    """What stands between the marks."""
    return marks.between(page, "why")


def tables(content: Mapping[str, Any]) -> str:
    """All three, with the machine above them."""
    from benchmarks.why import BLOCK, CONVOLUTION, DIRECTIONS, STEP

    results, machine = content["results"], content["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    rounds = len(next(iter(results[STEP]["contenders"].values()))["values"])
    parts = [
        f"{content['date']}, {machine['cpu']}, {machine['cores']} cores, Python "
        f"{machine['python']}, {versions}; `{content['command']}`. Median of {rounds} rounds in "
        "milliseconds, quartiles in brackets.",
        "**The second convolution alone**, 14 x 14 x 32 to 64 filters, 3 x 3, a batch of 32",
        _of_several(results, CONVOLUTION, OPERATIONS, _CONVOLUTION, _LAST),
        "**With bias, ReLU and the 2 x 2 pool**, and all the way back",
        _of_several(results, BLOCK, DIRECTIONS, _BLOCK, None),
        "**A training step of the whole CNN** through `fit`, a batch of 32",
        _of_step(results[STEP]),
    ]
    return "\n\n".join(parts)


def _of_several(
    results: Mapping[str, Any],
    title: str,
    operations: Sequence[str],
    rows: Mapping[str, tuple[str, str | None]],
    last: str | None,
) -> str:
    """A column an operation, their sum, and what the step has bought."""
    found = {each: results[title + each]["contenders"] for each in operations}
    present = [name for name in rows if all(name in own for own in found.values())]
    sums = {name: sum(own[name]["median"] for own in found.values()) for name in present}
    head = ["", *operations, "together", "times as fast as the step before"]
    if last:
        head.append(f"time over that of {rows[last][0]}")
    lines = []
    for name in present:
        text, before = rows[name]
        cells = [_spread(own[name]["values"]) for own in found.values()]
        gain = f"{sums[before] / sums[name]:.3g}" if before else ""
        cells += [_milliseconds(sums[name]), gain]
        if last:
            cells.append(f"{sums[name] / sums[last]:,.2f}")
        lines.append([text, *cells])
    return _table(head, lines)


def _of_step(case: Mapping[str, Any]) -> str:
    found, peer = case["contenders"], case["fastest_peer"] or "a peer"
    gained, against = "times as fast as the step before", f"time over {peer}'s"
    head = ["", "a step", gained, against, "peak MiB"]
    lines = []
    for name, (text, before) in _STEP.items():
        if name not in found:
            continue
        own = found[name]
        gain = f"{found[before]['median'] / own['median']:.3g}" if before else ""
        ratio = case["ratio_to_fastest_peer"].get(name)
        against = f"{ratio['median']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})" if ratio else ""
        lines.append(
            [text, _spread(own["values"]), gain, against, f"{own['peak_memory'] / 2**20:,.0f}"]
        )
    return _table(head, lines)


def _spread(values: Sequence[float]) -> str:
    spread = Spread.of(values)
    low, high = _milliseconds(spread.low), _milliseconds(spread.high)
    return f"{_milliseconds(spread.median)} ({low}–{high})"


def _milliseconds(seconds: float) -> str:
    value = 1000 * seconds
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
