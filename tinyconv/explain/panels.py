"""A row a layer: histograms below each other, and bars beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.explain.cells import shown
from tinyconv.explain.style import FAINT, INK, QUIET, RIGHT, WRONG, clear_spines, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 60
_TICKS = 5  # at most, so that numbers as long as −0.00015 have room
_BAR = 0.36  # height, of a row


def histogram(axes: Axes, values: np.ndarray, colour: str = RIGHT, **look: Any) -> None:
    """The distribution of all values that are numbers; a line at zero."""
    axes.hist(values[np.isfinite(values)].ravel(), bins=_BINS, color=colour, **look)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=_TICKS)
    # Small numbers as 2e-5, not as 2 with a power of ten somewhere else.
    axes.xaxis.set_major_formatter(lambda value, _: shown(value))
    axes.tick_params(axis="x", colors=FAINT, length=2, labelsize=7)
    clear_spines(axes, "bottom")


def histogram_column(
    axes: Sequence[Axes], title: str, names: Sequence[str], values: Sequence[np.ndarray],
    captions: Sequence[str],
) -> None:  # fmt: skip
    """A histogram a row, without the zeros, with name and caption at its left."""
    for place, name, each, caption in zip(axes, names, values, captions, strict=True):
        # Half of what a ReLU gives is exactly 0, and would leave the rest a line.
        histogram(place, each[each != 0])
        label = f"{shorten(name, 30)}\n{caption}"
        place.set_ylabel(label, color=INK, fontsize=7.5, rotation=0, ha="right", va="center")
    axes[0].set_title(title, color=INK, fontsize=9)


def bars(
    axes: Axes,
    lengths: Sequence[float],
    title: str,
    captions: Sequence[str] | None = None,
    limit: float | None = None,
    log: bool = False,
    below: Sequence[float] = (),
) -> None:
    """A bar a row, with its length or a caption above it.

    Args:
        limit: where the axis ends; at the longest bar unless given.
        log: whether the axis is logarithmic.
        below: lengths of second bars, thin and red, below the first.
    """
    places = np.arange(len(lengths))
    sizes = np.nan_to_num(np.asarray(lengths, np.float64), posinf=0.0)
    positive = sizes[sizes > 0]
    longest = limit or float(positive.max(initial=0)) or 1.0
    axes.barh(places, sizes, color=RIGHT, height=_BAR)
    if len(below):
        axes.barh(places + 0.7 * _BAR, below, color=WRONG, height=0.4 * _BAR)
    for place, length in enumerate(lengths):
        axes.text(
            0.01, place - 0.55 * _BAR, captions[place] if captions else f"{length:.3g}",
            transform=axes.get_yaxis_transform(), va="bottom", ha="left", color=FAINT, fontsize=7,
        )  # fmt: skip
    if log:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xlim(float(positive.min(initial=longest)) / 3, 1.5 * longest)
    else:
        axes.set_xlim(0, 1.02 * longest)
    axes.set_ylim(len(lengths) - 0.5, -0.5 - _BAR)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, color=INK, fontsize=9)
    clear_spines(axes, "left")
    axes.spines["left"].set_color(QUIET)
