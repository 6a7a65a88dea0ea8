"""Pictures of what was measured, one PNG a question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.report import Spread
from tinyconv.explain.style import FAINT, INK, QUIET, clear_spines, new_figure

# By the beginning of a contender's name; ours stands out.
COLOURS = {
    "tinyconv": "#0f3a80",
    "tinyconv (numba)": "#1f5fc4",
    "tinyconv (numba, AVX2)": "#6d9be0",
    "tinyconv (numpy)": "#9db4d6",
    "tf.keras": "#ef8a3c",
    "PyTorch": "#c8473f",
}


def draw_bars(numbers: Mapping[str, Any], path: Path, grey: str = "imports") -> None:
    """A row a case: time (quartiles as whiskers, ratio to the fastest peer) and peak memory."""
    heights = [0.62 + 0.34 * len(case["contenders"]) for case in numbers.values()]
    figure = new_figure(11, sum(heights) + 0.5)
    rows = figure.subplots(
        len(numbers), 2, squeeze=False,
        gridspec_kw={"width_ratios": [3, 2], "height_ratios": heights},
    )  # fmt: skip
    for (time, memory), (title, case) in zip(rows, numbers.items(), strict=True):
        _times(time, title, case)
        _memory(memory, case)
    rows[0][1].set_title(f"peak memory (grey: {grey})", **TITLE)
    note = "whiskers: quartiles of the rounds; ×: ratio to the fastest peer in the same round"
    figure.supxlabel(note, fontsize=8, color=FAINT)
    figure.savefig(path, dpi=150)


TITLE: dict[str, Any] = {"fontsize": 10, "color": INK, "loc": "left", "fontweight": "bold"}


def _times(axes: Any, title: str, case: Mapping[str, Any]) -> None:
    spreads = {name: Spread.of(each["values"]) for name, each in case["contenders"].items()}
    longest = max(spread.high for spread in spreads.values())
    for row, (name, spread) in enumerate(spreads.items()):
        axes.barh(row, 1000 * spread.median, color=COLOURS.get(name, QUIET), height=0.66)
        axes.plot([1000 * spread.low, 1000 * spread.high], [row, row], color=INK, linewidth=1.2)
        compared = case["ratio_to_fastest_peer"].get(name)
        digits = 2 if spread.median < 0.01 else 1 if spread.median < 0.1 else 0
        text = f"{1000 * spread.median:,.{digits}f} ms"
        if compared and name != case["fastest_peer"]:
            text += f"   × {compared['median']:.2f}"
        ours = name.startswith("tinyconv")
        axes.text(
            1000 * (spread.high + 0.012 * longest), row, text, va="center", fontsize=9,
            color=INK, fontweight="bold" if ours else "normal",
        )  # fmt: skip
    _rows(axes, list(spreads))
    axes.set_xlim(0, 1340 * longest)
    axes.set_title(title, **TITLE)


def _memory(axes: Any, case: Mapping[str, Any]) -> None:
    unit = 2**20
    largest = max(each["peak_memory"] for each in case["contenders"].values()) / unit
    for row, (name, each) in enumerate(case["contenders"].items()):
        peak, imports = each["peak_memory"] / unit, (each["import_memory"] or 0) / unit
        axes.barh(row, peak, color=COLOURS.get(name, QUIET), height=0.66)
        axes.barh(row, imports, color=QUIET, height=0.66)
        axes.text(
            peak + 0.02 * largest, row, f"{peak:,.0f} MiB", va="center", fontsize=9, color=INK
        )
    _rows(axes, [""] * len(case["contenders"]))
    axes.set_xlim(0, 1.3 * largest)


def _rows(axes: Any, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=9, color=INK)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.set_xticks([])
    clear_spines(axes, "left")


def draw_lines(numbers: Mapping[str, Any], path: Path) -> None:
    """Time of a step, and of an image in it, by the size of the batch."""
    from matplotlib.ticker import LogLocator, NullLocator

    figure = new_figure(11, 4.4)
    step, image = figure.subplots(1, 2)
    for name, found in numbers.items():
        turns = {int(batch): Spread.of(each) for batch, each in found["seconds_a_step"].items()}
        batches, colour = list(turns), COLOURS.get(name, QUIET)
        fitted = [1000 * (found["constant"] + found["rate"] * batch) for batch in batches]
        for axes, scale in ((step, lambda _: 1000.0), (image, lambda batch: 1e6 / batch)):
            low, middle, high = (
                [scale(batch) * getattr(turns[batch], part) for batch in batches]
                for part in ("low", "median", "high")
            )
            whiskers = [
                [m - l for m, l in zip(middle, low, strict=True)],
                [h - m for h, m in zip(high, middle, strict=True)],
            ]
            axes.errorbar(
                batches, middle, whiskers, fmt="o-" if axes is image else "o", color=colour,
                markersize=4.5, linewidth=1.4, capsize=2, label=name,
            )  # fmt: skip
        step.plot(batches, fitted, color=colour, linewidth=1, linestyle="--", alpha=0.8)
    for axes, title in ((step, "ms a training step"), (image, "µs an image")):
        axes.set_xscale("log", base=2)
        axes.set_xticks(batches, [str(batch) for batch in batches])
        axes.set_xlabel("batch", fontsize=9, color=FAINT)
        axes.set_title(title, **TITLE)
        axes.grid(axis="y", color=QUIET, linewidth=0.5, alpha=0.6)
        clear_spines(axes, "bottom")
    step.set_yscale("log")
    step.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    step.yaxis.set_minor_locator(NullLocator())
    step.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    for axes in (step, image):
        axes.tick_params(which="both", labelsize=9, colors=INK, length=0)
    image.set_ylim(bottom=0)
    image.legend(frameon=False, fontsize=9)
    note = "CNN for Fashion-MNIST through fit; dashed: the line constant + batch × rate"
    figure.supxlabel(note, fontsize=8, color=FAINT)
    figure.savefig(path, dpi=150)
