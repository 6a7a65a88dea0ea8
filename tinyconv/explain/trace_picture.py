"""A trace as a picture: where the time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinyconv.explain.style import FAINT, INK, QUIET, RIGHT, WRONG, clear_spines, new_figure
from tinyconv.explain.trace_table import count_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinyconv.explain.trace import Trace, TraceRow

_MOST = 40  # bars


def draw(trace: Trace) -> Figure:
    """A bar a layer, from the input down: milliseconds forward and backward.

    Of more than forty layers the slowest are shown.
    """
    total, rows = trace.total, _slowest(trace)
    forward = np.array([1e3 * row.seconds for row in rows])
    backward = np.array([1e3 * row.backward_seconds for row in rows])
    figure = new_figure(9.5, 1.6 + 0.26 * len(rows))
    axes = figure.subplots()
    places = range(len(rows))
    label = _told("forward", total.seconds)
    axes.barh(places, forward, color=RIGHT, height=0.72, label=label)
    if backward.any():
        label = _told("backward", total.backward_seconds)
        axes.barh(places, backward, left=forward, color=WRONG, height=0.72, label=label)
    for place, row in zip(places, rows, strict=True):
        told = f" {trace.share(row):.1%}"
        if row.multiply_adds:
            told += f" · {count_text(row.multiply_adds + (row.backward_multiply_adds or 0))}"
        axes.text(
            forward[place] + backward[place], place, told, va="center", color=FAINT, fontsize=8
        )
    axes.set_yticks(places, [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.18 * float((forward + backward).max()))
    axes.set_xlabel(
        "milliseconds; beside each bar: its share of the time · its multiply-adds", color=FAINT
    )
    axes.set_title(
        f"{count_text(total.multiply_adds)} multiply-adds forward, "
        f"{count_text(total.backward_multiply_adds)} backward"
        + (f"; the {len(rows)} slowest of {len(trace)} layers" if len(rows) < len(trace) else ""),
        loc="left", color=INK, fontweight="bold", fontsize=11,
    )  # fmt: skip
    axes.tick_params(axis="y", length=0, labelcolor=INK, labelsize=8)
    axes.tick_params(axis="x", colors=FAINT, length=3)
    axes.grid(axis="x", color=QUIET, alpha=0.4, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, labelcolor=INK, fontsize=9)
    clear_spines(axes, "bottom")
    return figure


def _slowest(trace: Trace) -> list[TraceRow]:
    """The rows that are shown, in the order of the data."""
    times = [row.seconds + row.backward_seconds for row in trace]
    shown = sorted(range(len(trace)), key=lambda place: -times[place])[:_MOST]
    return [trace[place] for place in sorted(shown)]


def _told(way: str, seconds: float) -> str:
    spent = 1e3 * seconds
    return f"{way} {spent:,.0f} ms" if spent >= 100 else f"{way} {spent:.3g} ms"
