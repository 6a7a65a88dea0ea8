"""A picture of `conv`: how fast each algorithm is on each layer, beside the direct peak."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.plot import TITLE
from tinyconv.explain.algorithms import OPERATIONS
from tinyconv.explain.style import FAINT, INK, QUIET, clear_spines, new_figure

# Ours are round, the peers are not.
MARKS: dict[str, tuple[str, str]] = {
    "im2col": ("o", "#9aa3b2"),
    "implicit_gemm": ("o", "#5fa8d3"),
    "direct": ("o", "#2a9d8f"),
    "pointwise": ("o", "#7b5ea7"),
    "winograd_2x2": ("o", "#4b7bec"),
    "winograd_4x4": ("o", "#123c8c"),
    "textbook": ("o", "#dfe3ea"),
    "tf.keras": ("D", "#ef8a3c"),
    "PyTorch": ("s", "#c8473f"),
}


def draw_layers(numbers: Mapping[str, Any], path: Path) -> None:
    """A row of panels a network, a panel an operation: a line a layer, a mark an algorithm."""
    from matplotlib.lines import Line2D

    peak, rows = numbers["peak GFLOP/s"], list(numbers["layers"].values())
    networks = {row["network"]: _layers(rows, row["network"]) for row in rows}
    heights = [0.75 + 0.25 * len(layers) for layers in networks.values()]
    figure = new_figure(13, sum(heights) + 1.1)
    panels = figure.subplots(
        len(networks), 3, squeeze=False, sharex="row", gridspec_kw={"height_ratios": heights}
    )
    for (network, layers), line in zip(networks.items(), panels, strict=True):
        for axes, operation in zip(line, OPERATIONS, strict=True):
            here = network, operation
            own = [row for row in rows if (row["network"], row["operation"]) == here]
            _panel(axes, own, layers, peak)
            axes.set_title(f"{network}: {operation}", **TITLE)
        fastest = max(max(row["GFLOP/s"].values()) for row in rows if row["network"] == network)
        line[0].set_xlim(0, 1.04 * max(peak, fastest))
        line[0].set_yticks(range(len(layers)), layers, fontsize=8, color=INK)
    seen = {name for row in rows for name in row["GFLOP/s"]}
    handles = [
        Line2D([], [], marker=mark, color=colour, linestyle="", markersize=6, label=name)
        for name, (mark, colour) in MARKS.items()
        if name in seen
    ]
    ring = {"marker": "o", "markerfacecolor": "none", "markeredgecolor": INK, "linestyle": ""}
    handles.append(Line2D([], [], markersize=9, label="chosen", **ring))  # type: ignore[arg-type]
    handles.append(Line2D([], [], color=INK, linestyle=":", label=f"direct peak, {peak:.0f}"))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=len(handles), frameon=False, fontsize=9,
        handletextpad=0.3, columnspacing=1.2,
    )  # fmt: skip
    note = "GFLOP/s of the plain sum: Winograd multiplies less, and may pass the direct peak"
    figure.supxlabel(note, fontsize=8, color=FAINT)
    figure.savefig(path, dpi=150)


def _layers(rows: list[Any], network: str) -> list[str]:
    """Each once, in the order in which they come."""
    return list(dict.fromkeys(row["layer"] for row in rows if row["network"] == network))


def _panel(axes: Any, rows: list[Any], layers: list[str], peak: float) -> None:
    for row in rows:
        y, speeds = layers.index(row["layer"]), row["GFLOP/s"]
        axes.plot([min(speeds.values()), max(speeds.values())], [y, y], color=QUIET, linewidth=0.8)
        for name, speed in speeds.items():
            mark, colour = MARKS.get(name, ("o", QUIET))
            axes.plot(speed, y, mark, color=colour, markersize=5.5, zorder=3)
        if row["chosen"] in speeds:
            axes.plot(
                speeds[row["chosen"]], y, "o", markersize=9, markerfacecolor="none",
                markeredgecolor=INK, markeredgewidth=1.1, zorder=4,
            )  # fmt: skip
    axes.axvline(peak, color=INK, linestyle=":", linewidth=1)
    axes.set_ylim(len(layers) - 0.5, -0.5)
    axes.set_yticks([])
    axes.tick_params(labelsize=8, colors=FAINT, length=0)
    axes.grid(axis="x", color=QUIET, linewidth=0.4, alpha=0.5)
    clear_spines(axes, "bottom")
