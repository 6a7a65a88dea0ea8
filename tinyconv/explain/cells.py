"""Small matrices drawn as cells with their numbers, and the frames around some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.explain.style import INK, INK_ON_PALE, RIGHT, WRONG, clear_spines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure, SubFigure

FRAME = "#f59e0b"  # what the eye shall find: neither of the colours that numbers have
_WRITTEN = 30  # cells along an axis beyond which their numbers would be too small
SMALL = 6  # pixels along an axis up to which the numbers of a map say more than its colours
_DARK = 0.55  # luminance below which white is the more legible ink


def signed() -> Colormap:
    """Red for negative, white for zero, blue for positive numbers."""
    from matplotlib.colors import LinearSegmentedColormap

    # An odd number of colours has one in the middle: 0 is white.
    return LinearSegmentedColormap.from_list("signed", [WRONG, "white", RIGHT], N=257)


def shown(value: float, digits: int = 3) -> str:
    """A number in so many digits; whole where it has as many before the point."""
    if value == 0:
        return "0"
    whole = 10**digits <= abs(value) < 1e5
    text = f"{value:.0f}" if whole else f"{value:.{digits}g}"
    return text.replace("e-0", "e-").replace("-", "−")


def draw_cells(
    axes: Axes,
    values: np.ndarray,
    title: str = "",
    size: float = 8.0,
    limit: float | None = None,
    digits: int = 3,
) -> None:
    """Draw a matrix as cells, blue for positive and red for negative.

    Args:
        values: (rows, columns); NaN is left empty.
        size: of the numbers, in points.
        limit: absolute value of the full colours; that of the greatest unless given.
        digits: of the numbers, 0 to leave them out.
    """
    known = np.abs(values[np.isfinite(values)])
    limit = limit or float(known.max(initial=0)) or 1.0
    colours = signed().with_extremes(bad="#eef0f3")
    picture = axes.imshow(
        np.ma.masked_invalid(values), cmap=colours, vmin=-limit, vmax=limit, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    rows, columns = values.shape
    if max(rows, columns) <= _WRITTEN:
        if digits:
            luminance = picture.to_rgba(values)[..., :3] @ (0.2126, 0.7152, 0.0722)
            for (r, c), value in np.ndenumerate(values):
                if np.isfinite(value):
                    ink = "white" if luminance[r, c] < _DARK else INK_ON_PALE
                    axes.text(
                        c, r, shown(value, digits), ha="center", va="center", color=ink,
                        fontsize=size,
                    )  # fmt: skip
        axes.set_xticks(np.arange(1, columns) - 0.5, minor=True)
        axes.set_yticks(np.arange(1, rows) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
        axes.tick_params(which="minor", length=0)
    entitle(axes, title)


def entitle(axes: Axes, title: str) -> None:
    """A picture without ticks, under a title."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, color=INK, fontsize=9)
    clear_spines(axes, "left", "right", "top", "bottom")


def frame(
    axes: Axes,
    row: float,
    column: float,
    height: float = 1,
    width: float = 1,
    linewidth: float = 2.0,
) -> None:
    """A frame around `height` x `width` cells from that cell on."""
    from matplotlib.patches import Rectangle

    corner = column - 0.5, row - 0.5
    axes.add_patch(
        Rectangle(
            corner, width, height, edgecolor=FRAME, linewidth=linewidth, fill=False,
            clip_on=False, zorder=5,
        )
    )  # fmt: skip


def draw_map(axes: Axes, values: np.ndarray, title: str, gradient: bool = False) -> None:
    """Draw a map (H, W) without its numbers; one that has signs in red and blue."""
    low, high = float(values.min()), float(values.max())
    if gradient or low < 0:
        limit = max(-low, high) or 1.0
        axes.imshow(values, cmap=signed(), vmin=-limit, vmax=limit, interpolation="nearest")
    else:
        axes.imshow(values, cmap="magma", vmin=0, vmax=high or 1, interpolation="nearest")
    entitle(axes, title)


def draw_numbers(axes: Axes, values: np.ndarray, title: str) -> None:
    """Draw a small gradient or image (H, W) as cells with numbers, a larger one as a map."""
    draw_cells(axes, values.astype(np.float64), title, 9 if max(values.shape) <= 4 else 6.5)
    axes.set_aspect("equal")


def say(axes: Axes, text: str, size: float = 10.0, colour: str = INK) -> None:
    """Axes that hold a text and nothing else."""
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, text, ha="center", va="center", color=colour, fontsize=size,
        transform=axes.transAxes,
    )  # fmt: skip


def label_rows(axes: Axes, names: list[str]) -> None:
    """A name at the left of each row of cells."""
    axes.set_yticks(np.arange(len(names)), names, fontsize=8, color=INK)
    axes.tick_params(axis="y", which="major", length=0)
    clear_spines(axes, *([] if len(names) > 1 else ["bottom"]))


def strips(figure: Figure, *heights: float) -> list[SubFigure]:
    """Cut a figure into strips, one below the other."""
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    return list(parts) if len(heights) > 1 else [parts]
