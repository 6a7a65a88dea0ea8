"""A diagram of a model, laid out and drawn by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyconv.explain.graph_layout import STUB, Point, Route
from tinyconv.explain.model_diagram import Box, Diagram
from tinyconv.explain.model_places import (
    FRAME_SIZE,
    INSIDE,
    LINE_HEIGHT,
    LINE_SIZE,
    TITLE_HEIGHT,
    TITLE_SIZE,
    Picture,
    Rect,
    picture,
)
from tinyconv.explain.style import FAINT, INK, QUIET, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN = 0.2  # inches
_INSIDE_FRAMES = "#5f8f9912"  # nearly transparent: the deeper, the darker
_HEAD = 0.1  # length of an arrow's head


def draw(diagram: Diagram, rankdir: str) -> Figure:
    """A figure as large as the diagram.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    figure = new_figure(1, 1)
    places = picture(diagram, rankdir)
    width, height = (side + 2 * _MARGIN for side in places.size)
    figure.set_layout_engine("none")  # the axes are the figure, an inch is an inch
    figure.set_size_inches(width, height)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-_MARGIN, width - _MARGIN)
    axes.set_ylim(height - _MARGIN, -_MARGIN)
    _draw_frames(axes, places)
    for route, head in places.routes:
        _draw_route(axes, route, head)
    for box, rect in places.boxes:
        _draw_box(axes, box, rect)
    return figure


def _draw_frames(axes: Axes, places: Picture) -> None:
    for title, rect in places.frames:
        look = {"facecolor": _INSIDE_FRAMES, "edgecolor": QUIET, "linestyle": (0, (4, 3))}
        left, top = _draw_rectangle(axes, rect, 0.08, look)
        axes.text(
            left + INSIDE[0],
            top + 0.05 + LINE_HEIGHT / 2,
            title,
            ha="left",
            va="center_baseline",
            fontsize=FRAME_SIZE,
            color=FAINT,
            parse_math=False,
        )


def _draw_rectangle(axes: Axes, rect: Rect, radius: float, look: dict[str, Any]) -> Point:
    """With round corners; its upper left corner."""
    from matplotlib.patches import FancyBboxPatch

    corner = rect.x - rect.width / 2, rect.y - rect.height / 2
    style = f"round,pad=0,rounding_size={radius}"
    patch = FancyBboxPatch(corner, rect.width, rect.height, boxstyle=style, linewidth=1, **look)
    axes.add_patch(patch)
    return corner


def _draw_route(axes: Axes, route: Route, head: bool) -> None:
    """An edge; it ends in the head of an arrow where it reaches its box."""
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    points = list(route)
    if head:
        (x, y), (from_x, from_y) = points[-1], _direction(points)
        base = x - from_x * _HEAD, y - from_y * _HEAD
        aside = -from_y * _HEAD * 0.38, from_x * _HEAD * 0.38
        triangle = [
            (x, y),
            (base[0] + aside[0], base[1] + aside[1]),
            (base[0] - aside[0], base[1] - aside[1]),
        ]
        axes.add_patch(Polygon(triangle, closed=True, facecolor=FAINT, edgecolor="none"))
        middle = x - from_x * _HEAD / 2, y - from_y * _HEAD / 2
        points[-2:] = [middle, middle]
    codes = [Path.MOVETO] + [Path.CURVE4] * (len(points) - 1)
    line = PathPatch(
        Path(points, codes), fill=False, edgecolor=FAINT, linewidth=1.0, capstyle="round"
    )
    axes.add_patch(line)


def _direction(points: Route) -> Point:
    """In which an edge arrives: its last piece is straight and at least STUB long."""
    (x, y), start = points[-1], points[-4]
    dx, dy = x - start[0], y - start[1]
    length = max(abs(dx), abs(dy)) or STUB
    return dx / length, dy / length


def _draw_box(axes: Axes, box: Box, rect: Rect) -> None:
    fill, rim = box.colours
    _, top = _draw_rectangle(axes, rect, 0.06, {"facecolor": fill, "edgecolor": rim})
    y = top + INSIDE[1]
    for number, text in enumerate([box.title, *box.lines]):
        height = LINE_HEIGHT if number else TITLE_HEIGHT
        axes.text(
            rect.x,
            y + height / 2,
            text,
            ha="center",
            va="center_baseline",
            fontsize=LINE_SIZE if number else TITLE_SIZE,
            fontweight="normal" if number else "bold",
            color=FAINT if number else INK,
            parse_math=False,
        )
        y += height
