"""The kernels of a convolution: what its filters look for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.cells import draw_cells, entitle
from tinyconv.explain.style import FAINT, INK, new_figure
from tinyconv.explain.walk import numbers
from tinyconv.geometry import integer
from tinyconv.layers.conv2d import Conv2D

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 8
_CHANNELS = 12  # of a filter, to be drawn beside each other


class FilterValues(NamedTuple):
    """The parameters of a convolution, filter by filter.

    Attributes:
        kernel: (KH, KW, channels, filters), the channels being those of one group.
        bias: (filters,), 0 without one.
        norms: (filters,), the length of each filter as a vector: near 0 it does nothing.
    """

    kernel: np.ndarray
    bias: np.ndarray
    norms: np.ndarray


def filter_values(layer: Conv2D) -> FilterValues:
    """The numbers that `filters` draws.

    Raises:
        TypeError: for a layer of another kind.
        ValueError: for a layer that has no weights yet.
    """
    if not isinstance(layer, Conv2D):
        raise TypeError(f"filters needs a Conv2D layer. Received: {layer!r}")
    if not layer.built:
        raise ValueError(f"{layer!r}: it has no kernel yet; call it, or its model, on an image")
    kernel = numbers(layer.params["kernel"])
    bias = numbers(layer.params["bias"]) if layer.use_bias else np.zeros(layer.filters)
    norms = np.sqrt(np.square(kernel.astype(np.float64)).sum(axis=(0, 1, 2)))
    return FilterValues(kernel, bias, norms)


def filters(layer: Conv2D, count: int = 32) -> Figure:
    """Draw the first filters of a convolution: blue where they add, red where they subtract.

    Filters of three channels are drawn in colours, grey being 0; of one channel with their
    numbers; of several as a row each, of the first channels.

    Args:
        layer: with weights.
        count: how many filters to draw, at most.

    Raises:
        TypeError, ValueError: as `filter_values`, and for a count that is not positive.
        ImportError: if matplotlib is not installed.
    """
    told = filter_values(layer)
    count = min(integer(count, "count", layer), layer.filters)
    KH, KW, C, F = told.kernel.shape
    draw = _draw_grid if C in (1, 3) else _draw_rows
    figure = draw(told, count)
    some = f"{count} of {F}" if count < F else f"{F}"
    figure.suptitle(
        f"{layer.name}: {some} filters of {KH} x {KW} x {C}",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    return figure


def _draw_grid(told: FilterValues, count: int) -> Figure:
    """A panel a filter."""
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = new_figure(1.4 * columns + 0.2, 1.62 * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    limit = float(np.abs(told.kernel).max()) or 1.0
    size = 7 if told.kernel.shape[1] <= 3 else 4.5
    for number, panel in enumerate(panels):
        if number >= count:
            panel.set_axis_off()
            continue
        kernel = told.kernel[..., number]
        if kernel.shape[2] == 1:
            digits = 2 if max(kernel.shape) <= 5 else 0
            draw_cells(panel, kernel[..., 0], size=size, limit=limit, digits=digits)
        else:
            own = float(np.abs(kernel).max()) or 1.0
            panel.imshow(0.5 + 0.5 * kernel / own, interpolation="nearest")
        entitle(panel, f"{number}")
        panel.set_xlabel(f"norm {told.norms[number]:.2g}", color=FAINT, fontsize=7)
    return figure


def _draw_rows(told: FilterValues, count: int) -> Figure:
    """A row a filter, a panel a channel."""
    channels = min(_CHANNELS, told.kernel.shape[2])
    figure = new_figure(0.75 * channels + 0.9, 0.75 * count + 0.8)
    panels: Any = figure.subplots(count, channels, squeeze=False)
    limit = float(np.abs(told.kernel).max()) or 1.0
    for (f, c), panel in np.ndenumerate(panels):
        draw_cells(panel, told.kernel[:, :, c, f], limit=limit, digits=0)
        if f == 0:
            panel.set_title(f"channel {c}" if c == 0 else f"{c}", color=FAINT, fontsize=8)
        if c == 0:
            panel.set_ylabel(f"{f}", color=INK, fontsize=9, rotation=0, ha="right", va="center")
    return figure
