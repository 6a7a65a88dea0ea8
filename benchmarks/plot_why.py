"""A picture of `why`: a bar for each step on the way to a fast convolution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.plot import TITLE
from benchmarks.report import Spread
from tinyconv.explain.style import FAINT, INK, QUIET, RIGHT, clear_spines, new_figure

_PEER = "#ef8a3c"


def draw_steps(numbers: Mapping[str, Any], path: Path) -> None:
    """A panel a piece of work, three beside each other."""
    cases = list(numbers.items())
    lines = [cases[first : first + 3] for first in range(0, len(cases), 3)]
    counts = [max(len(case["contenders"]) for _, case in line) for line in lines]
    heights = [0.6 + 0.28 * count for count in counts]
    figure = new_figure(15, sum(heights) + 0.4)
    grid = figure.subplots(
        len(lines), len(lines[0]), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for panels, line, count in zip(grid, lines, counts, strict=True):
        for axes, (title, case) in zip(panels, line, strict=False):
            _panel(axes, title, case["contenders"], count)
        for axes in panels[len(line) :]:
            axes.set_visible(False)
    note = "ms, the median of the rounds, on a logarithmic scale; whiskers: quartiles"
    figure.supxlabel(note, fontsize=8, color=FAINT)
    figure.savefig(path, dpi=150)


def _panel(axes: Any, title: str, contenders: Mapping[str, Any], count: int) -> None:
    """Bars with room for `count`; from half of the shortest on, as there is no logarithm of 0."""
    spreads = {name: Spread.of(each["values"]) for name, each in contenders.items()}
    least = 500 * min(spread.low for spread in spreads.values())
    most = 1000 * max(spread.high for spread in spreads.values())
    for row, (name, spread) in enumerate(spreads.items()):
        colour = _PEER if contenders[name]["peer"] else QUIET if "1 thread" in name else RIGHT
        low, middle, high = (1000 * each for each in spread)
        axes.barh(row, middle - least, left=least, color=colour, height=0.66)
        axes.plot([low, high], [row, row], color=INK, linewidth=1.2)
        text = f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"
        axes.annotate(
            text, (high, row), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9,
            color=INK,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(least, most * (most / least) ** 0.2)
    axes.minorticks_off()
    axes.set_xticks([])
    axes.set_yticks(range(len(spreads)), list(spreads), fontsize=9, color=INK)
    axes.set_ylim(count - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.set_title(title, **TITLE)
    clear_spines(axes, "left")
    axes.spines["left"].set_bounds(len(spreads) - 0.5, -0.5)
