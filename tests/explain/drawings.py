"""What a picture of a model holds: its texts, its boxes and where they are."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.transforms import Bbox

from tinyconv.utils import plot_model


def drawn(model: Any, **options: Any) -> Figure:
    figure = plot_model(model, **{"dpi": 100, **options})  # matplotlib's own: extents are right
    assert isinstance(figure, Figure)
    return figure


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure: Figure) -> list[Bbox]:
    """Of the layers, in the order they were drawn; without frames."""
    return [
        patch.get_window_extent()
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyBboxPatch) and patch.get_linestyle() == "solid"
    ]


def frames(figure: Figure) -> list[Bbox]:
    return [
        patch.get_window_extent()
        for patch in figure.axes[0].patches
        if isinstance(patch, FancyBboxPatch) and patch.get_linestyle() != "solid"
    ]


def count(figure: Figure, kind: type) -> int:
    return sum(isinstance(patch, kind) for patch in figure.axes[0].patches)


def inside(inner: Bbox, outer: Bbox) -> bool:
    return (
        outer.x0 <= inner.x0 and inner.x1 <= outer.x1
        and outer.y0 <= inner.y0 and inner.y1 <= outer.y1
    )  # fmt: skip
