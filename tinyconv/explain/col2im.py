"""A convolution backwards: which output gradients flow into one pixel of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.explain.arguments import below, place
from tinyconv.explain.cells import (
    SMALL,
    draw_cells,
    draw_map,
    draw_numbers,
    frame,
    say,
    shown,
    strips,
)
from tinyconv.explain.im2col import convolution_input, draw_input
from tinyconv.explain.style import FAINT, INK, new_figure
from tinyconv.explain.walk import numbers
from tinyconv.geometry import Window
from tinyconv.layers.conv2d import Conv2D

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PixelGradient(NamedTuple):
    """How one pixel of the input gets its gradient: dx = sum of dz * kernel.

    The pixel lay under the tap (k, l) of the window at (i, j), for several of them.

    Attributes:
        at, channel: the pixel (row, col) of the input, and the channel.
        filter: whose part is told.
        windows: (KH, KW, 2), the window (i, j) that had the pixel under each tap; -1 for none.
        slopes: (KH, KW), dz at those windows; NaN for none.
        kernel: (KH, KW), of this filter for this channel.
        products: (KH, KW), slopes * kernel; NaN for none.
        part: the sum of the products, what the filter sends back to the pixel.
        dx: what all filters send back.
    """

    at: tuple[int, int]
    channel: int
    filter: int
    windows: np.ndarray
    slopes: np.ndarray
    kernel: np.ndarray
    products: np.ndarray
    part: float
    dx: float


def pixel_gradient(
    layer: Conv2D,
    x: Any,
    at: tuple[int, int] = (0, 0),
    channel: int = 0,
    filter: int | None = None,
    dy: Any = None,
) -> PixelGradient:
    """The numbers that `col2im` draws; arguments as there."""
    image, window = convolution_input(layer, x, "col2im")
    return _gradient(layer, *_slopes(layer, image, dy), window, at, channel, filter)


def col2im(
    layer: Conv2D,
    x: Any,
    at: tuple[int, int] = (0, 0),
    channel: int = 0,
    filter: int | None = None,
    dy: Any = None,
) -> Figure:
    """Draw which gradients of the output flow into one pixel of the input: im2col backwards.

    Every window that saw the pixel sends back its gradient dz times the weight that the
    pixel had in it.

    Args:
        layer: the convolution.
        x: what the layer takes, (N, H, W, C), of which the first is drawn; or one image.
        at: a pixel (row, col) of the input.
        channel: of the input.
        filter: whose part is drawn, the first that sees the channel unless given; dx tells
            the sum over all.
        dy: (1, OH, OW, filters), slope of the loss by the layer's output; that of the sum of
            all outputs, 1 everywhere, unless given.

    Raises:
        TypeError: for a layer of another kind.
        ValueError: for a pixel, channel or filter that does not exist or do not meet, or an x
            or dy that does not fit.
        ImportError: if matplotlib is not installed.
    """
    taken, window = convolution_input(layer, x, "col2im")
    dz, dx = _slopes(layer, taken, dy)
    told = _gradient(layer, dz, dx, window, at, channel, filter)
    figure = new_figure(11.5, 7.6)
    figure.suptitle(
        f"{layer.name}: the gradient of the input at row {told.at[0]}, column {told.at[1]}, "
        f"channel {told.channel}",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    top, bottom = strips(figure, 1, 0.95)
    _draw_pictures(top, numbers(taken)[0], dz, dx, told, window)
    _draw_sum(bottom, told, len(range(*_own_filters(layer, told.channel))))
    return figure


def _slopes(layer: Conv2D, image: Any, dy: Any) -> tuple[np.ndarray, np.ndarray]:
    """dz (OH, OW, F), before the activation, and dx (H, W, C)."""
    backend = get_backend()
    y, cache = layer.forward(image)
    dy = layer.check_slope(backend.xp.ones_like(y) if dy is None else dy, y.shape)
    dz, _ = backend.activate_backward(dy, cache.saved, cache.activation, False)
    return numbers(dz)[0], numbers(layer.backward_input(dy, cache))[0]


def _own_filters(layer: Conv2D, channel: int) -> tuple[int, int]:
    """(first, behind the last) of the filters that see a channel."""
    group = channel // layer.params["kernel"].shape[2]
    own = layer.filters // layer.groups
    return group * own, (group + 1) * own


def _gradient(
    layer: Conv2D, dz: np.ndarray, dx: np.ndarray, window: Window, at: Any, channel: Any,
    filter: Any,
) -> PixelGradient:  # fmt: skip
    row, col = place(layer, at, window.input, "input")
    c = below(layer, channel, dx.shape[2], "channel")
    first, behind = _own_filters(layer, c)
    f = first if filter is None else below(layer, filter, layer.filters, "filter")
    if not first <= f < behind:
        raise ValueError(
            f"{layer!r}: channel {c} is seen by the filters {first} to {behind - 1} of its group. "
            f"Received: filter={f}"
        )
    kernel = numbers(layer.params["kernel"])[:, :, c % layer.params["kernel"].shape[2], f]
    kernel = kernel.astype(np.float64)
    windows = np.full((*window.size, 2), -1)
    slopes = np.full(window.size, np.nan)
    for k, l in np.ndindex(window.size):
        i, j = (_window(window, axis, n, tap) for axis, n, tap in ((0, row, k), (1, col, l)))
        if i is not None and j is not None:
            windows[k, l], slopes[k, l] = (i, j), dz[i, j, f]
    products = slopes * kernel
    return PixelGradient(
        (row, col), c, f, windows, slopes, kernel, products, float(np.nansum(products)),
        float(dx[row, col, c]),
    )  # fmt: skip


def _window(window: Window, axis: int, pixel: int, tap: int) -> int | None:
    """The window that has the pixel under this tap: i * stride + tap * dilation = pixel + pad."""
    start = pixel + window.padding[axis][0] - tap * window.dilation[axis]
    index, rest = divmod(start, window.strides[axis])
    return index if rest == 0 and 0 <= index < window.output[axis] else None


def _draw_pictures(
    figure: Any, image: np.ndarray, dz: np.ndarray, dx: np.ndarray, told: PixelGradient,
    window: Window,
) -> None:  # fmt: skip
    picture, slopes, gradient = figure.subplots(1, 3)
    draw_input(picture, image, told.channel, window)
    frame(picture, *told.at)
    rows, cols = window.output
    title = f"gradient dz of output {told.filter}, {rows} x {cols}"
    _draw_gradient(slopes, dz[..., told.filter], title)
    for k, l in np.ndindex(window.size):
        if told.windows[k, l, 0] >= 0:
            i, j = told.windows[k, l]
            frame(slopes, i, j, linewidth=1.4)
    title = f"gradient dx of channel {told.channel}"
    _draw_gradient(gradient, dx[..., told.channel], title)
    frame(gradient, *told.at)


def _draw_gradient(axes: Any, values: np.ndarray, title: str) -> None:
    if max(values.shape) <= SMALL:
        draw_numbers(axes, values, title)
    else:
        draw_map(axes, values, title, gradient=True)


def _draw_sum(figure: Any, told: PixelGradient, filters: int) -> None:
    slopes, times, kernel, equals, products = figure.subplots(
        1, 5, width_ratios=[3, 0.3, 3, 0.3, 3]
    )
    size = 9 if told.kernel.shape[1] <= 3 else 6.5
    draw_cells(slopes, told.slopes, "dz of the windows that saw it", size)
    say(times, "×", 16)
    draw_cells(kernel, told.kernel, f"kernel of filter {told.filter}, tap by tap", size)
    say(equals, "=", 16)
    draw_cells(products, told.products, "what each window sends back", size)
    text = f"their sum: dx = {shown(told.dx)}"
    if filters > 1:
        text = (
            f"their sum, the part of filter {told.filter}: {shown(told.part)}          "
            f"with all {filters} filters: dx = {shown(told.dx)}"
        )
    figure.supxlabel(text, color=INK, fontsize=11)
    for axes in (slopes, products):
        axes.set_xlabel("empty: no window", color=FAINT, fontsize=8)
        axes.xaxis.label.set_visible(bool(np.isnan(told.slopes).any()))
