"""A trace as a picture: where the time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinyconv.explain.style import FAINT, INK, QUIET, RIGHT, WRONG, clear_spines, new_figure
from tinyconv.explain.trace_table import count_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinyconv.explain.trace import Trace


def draw(trace: Trace) -> Figure:
    """A bar a layer, from the input down: milliseconds forward and backward."""
    total = trace.total
    forward = np.array([1e3 * row.seconds for row in trace])
    backward = np.array([1e3 * row.backward_seconds for row in trace])
    figure = new_figure(9.5, 1.6 + 0.26 * len(trace))
    axes = figure.subplots()
    places = range(len(trace))
    axes.barh(places, forward, color=RIGHT, height=0.72, label=_told("forward", forward))
    if backward.any():
        label = _told("backward", backward)
        axes.barh(places, backward, left=forward, color=WRONG, height=0.72, label=label)
    for place, row in zip(places, trace, strict=True):
        told = f" {trace.share(row):.1%}"
        if row.multiply_adds:
            told += f" · {count_text(row.multiply_adds + (row.backward_multiply_adds or 0))}"
        axes.text(
            forward[place] + backward[place], place, told, va="center", color=FAINT, fontsize=8
        )
    axes.set_yticks(places, [row.name for row in trace])
    axes.set_ylim(len(trace) - 0.4, -0.6)
    axes.set_xlim(0, 1.18 * float((forward + backward).max()))
    axes.set_xlabel(
        "milliseconds; beside each bar: its share of the time · its multiply-adds", color=FAINT
    )
    axes.set_title(
        f"{count_text(total.multiply_adds)} multiply-adds forward, "
        f"{count_text(total.backward_multiply_adds)} backward",
        loc="left", color=INK, fontweight="bold", fontsize=11,
    )  # fmt: skip
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8)
    axes.tick_params(axis="x", colors=FAINT, length=3)
    axes.grid(axis="x", color=QUIET, alpha=0.4, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    clear_spines(axes, "bottom")
    return figure


def _told(way: str, times: np.ndarray) -> str:
    total = float(times.sum())
    return f"{way} {total:,.0f} ms" if total >= 100 else f"{way} {total:.3g} ms"
