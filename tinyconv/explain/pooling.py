"""Pooling: who won in each window, and where the gradient goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.explain.arguments import below, place
from tinyconv.explain.cells import draw_cells, frame
from tinyconv.explain.style import FAINT, INK, new_figure
from tinyconv.explain.walk import numbers, one_image
from tinyconv.geometry import Pair, Window
from tinyconv.layers.pooling import AveragePooling2D, MaxPooling2D, Pooling2D

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WINDOWS = 4  # to be drawn along each axis


class Pooled(NamedTuple):
    """Pooling one image, forward and backward.

    Attributes:
        x: (H, W, C), what the layer takes.
        y: (OH, OW, C), what it gives.
        winners: (OH, OW, C, 2), the pixel (row, col) of x that y is; -1 for the mean, which
            nobody wins.
        dy: (OH, OW, C), the slopes that come.
        dx: (H, W, C), those that go on: to the winners, or to all pixels alike.
    """

    x: np.ndarray
    y: np.ndarray
    winners: np.ndarray
    dy: np.ndarray
    dx: np.ndarray


def pooled(layer: Pooling2D, x: Any, dy: Any = None) -> Pooled:
    """The numbers that `pooling` draws; arguments as there."""
    return _pooled(layer, x, dy)[0]


def pooling(
    layer: Pooling2D,
    x: Any,
    at: Pair | None = None,
    channel: int | None = None,
    dy: Any = None,
) -> Figure:
    """Draw some windows of a pooling layer: above forward, below backward.

    A frame marks the pixel that wins its window; it alone gets the window's gradient. Of a
    mean each pixel gets its share.

    Args:
        layer: MaxPooling2D or AveragePooling2D.
        x: what the layer takes, (N, H, W, C), of which the first is drawn; or one image.
        at: a pixel (row, col) of the output that is among those drawn, the middle unless given.
        channel: the liveliest unless given.
        dy: (1, OH, OW, C), slope of the loss by the output; 1 everywhere unless given.

    Raises:
        TypeError: for a layer of another kind.
        ValueError: for a pixel or a channel that does not exist, or an x or dy that does not
            fit.
        ImportError: if matplotlib is not installed.
    """
    told, window = _pooled(layer, x, dy)
    OH, OW = window.output
    i, j = place(layer, (OH // 2, OW // 2) if at is None else at, window.output, "output")
    if channel is None:
        channel = int(told.x.std(axis=(0, 1)).argmax())
    c = below(layer, channel, told.x.shape[2], "channel")
    outputs = _around(i, OH), _around(j, OW)
    inputs = _pixels(window, 0, outputs[0]), _pixels(window, 1, outputs[1])

    figure = new_figure(9.6, 8.8)
    kind = f"{window.size[0]} x {window.size[1]}, every {window.strides[0]} x {window.strides[1]}"
    figure.suptitle(
        f"{layer.name}: windows of {kind}, channel {c}",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    (before, after), (back, slopes) = figure.subplots(2, 2, width_ratios=[1.5, 1])
    size = 8 if inputs[1].stop - inputs[1].start <= 8 else 6
    _draw_part(before, told.x[..., c], inputs, "x", size)
    _draw_part(after, told.y[..., c], outputs, "y", 8)
    _draw_part(back, told.dx[..., c], inputs, "gradient dx", size)
    _draw_part(slopes, told.dy[..., c], outputs, "gradient dy", 8)
    drawn = tuple(cut.stop - cut.start for cut in outputs)
    overlap = any(n > step for n, step in zip(window.size, window.strides, strict=True))
    if overlap and drawn != window.output:
        back.set_xlabel("from windows that are not drawn, too", color=FAINT, fontsize=8)
    for a in range(outputs[0].start, outputs[0].stop):
        for b in range(outputs[1].start, outputs[1].stop):
            row, col = (int(n) for n in told.winners[a, b, c])
            if row >= 0:
                for axes in (before, back):
                    frame(axes, row - inputs[0].start, col - inputs[1].start)
    return figure


def _pooled(layer: Any, x: Any, dy: Any) -> tuple[Pooled, Window]:
    if not isinstance(layer, (MaxPooling2D, AveragePooling2D)):
        raise TypeError(
            f"pooling needs a MaxPooling2D or AveragePooling2D layer. Received: {layer!r}"
        )
    image = one_image(layer, x)
    y, cache = layer.forward(image)
    slope = layer.check_slope(get_backend().xp.ones_like(y) if dy is None else dy, y.shape)
    dx, _ = layer.backward(slope, cache)
    winners = np.full((*y.shape[1:], 2), -1)
    if isinstance(layer, MaxPooling2D):
        taps = np.divmod(numbers(cache.argmax)[0].astype(int), cache.window.size[1])
        starts = np.indices(y.shape[1:])
        for axis in (0, 1):
            first = starts[axis] * cache.window.strides[axis] - cache.window.padding[axis][0]
            winners[..., axis] = first + taps[axis]
    arrays = [numbers(each)[0] for each in (image, y, slope, dx)]
    return Pooled(arrays[0], arrays[1], winners, arrays[2], arrays[3]), cache.window


def _around(number: int, count: int) -> slice:
    """Some windows, this one among them."""
    width = min(_WINDOWS, count)
    start = min(max(number - width // 2, 0), count - width)
    return slice(start, start + width)


def _pixels(window: Window, axis: int, outputs: slice) -> slice:
    """The pixels that these windows see along an axis."""
    stride, pad = window.strides[axis], window.padding[axis][0]
    start = outputs.start * stride - pad
    stop = (outputs.stop - 1) * stride - pad + window.size[axis]
    return slice(max(start, 0), min(stop, window.input[axis]))


def _draw_part(
    axes: Axes, values: np.ndarray, part: tuple[slice, slice], title: str, size: float
) -> None:
    """Some cells of a matrix, with the numbers of their rows and columns."""
    limit = float(np.abs(values).max())
    draw_cells(axes, values[part].astype(np.float64), title, size, limit)
    for set_ticks, cut in ((axes.set_yticks, part[0]), (axes.set_xticks, part[1])):
        places = range(cut.start, cut.stop)
        set_ticks(np.arange(len(places)), [str(place) for place in places])
    axes.tick_params(which="major", length=0, labelsize=7, labelcolor=FAINT)
