"""A convolution as a matrix product: one patch, one kernel, one pixel of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.arguments import below, place
from tinyconv.explain.cells import (
    SMALL,
    draw_cells,
    draw_map,
    draw_numbers,
    entitle,
    frame,
    label_rows,
    say,
    shown,
    strips,
)
from tinyconv.explain.style import FAINT, INK, INK_ON_PALE, displayable, new_figure
from tinyconv.explain.walk import numbers, one_image
from tinyconv.geometry import Window
from tinyconv.layers.conv2d import Conv2D

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NEIGHBOURS = 3  # rows and filters to draw on either side
_STRIP = 30  # values whose numbers fit beside each other


class PatchProduct(NamedTuple):
    """How a convolution computes one number: y = activation(sum of patch * kernel + bias).

    Attributes:
        at: the pixel (row, col) of the output.
        filter: the filter.
        channels: (first, behind the last) of the channels that the filter sees.
        corner: pixel of the input under the first tap; negative on the padding.
        row: number of the patch among the rows of the column matrix of this image.
        patch, kernel, products: (KH, KW, channels); flattened, the patch is a row of the
            column matrix and the kernel a column of the kernel matrix.
        total: the sum of the products.
        bias: 0 without one.
        z: total + bias.
        y: the pixel of the output.
    """

    at: tuple[int, int]
    filter: int
    channels: tuple[int, int]
    corner: tuple[int, int]
    row: int
    patch: np.ndarray
    kernel: np.ndarray
    products: np.ndarray
    total: float
    bias: float
    z: float
    y: float


def patch_product(
    layer: Conv2D, x: Any, at: tuple[int, int] = (0, 0), filter: int = 0
) -> PatchProduct:
    """The numbers that `im2col` draws; arguments as there."""
    image, window = convolution_input(layer, x, "im2col")
    return _product(layer, numbers(image)[0], numbers(layer.infer(image))[0], window, at, filter)


def im2col(layer: Conv2D, x: Any, at: tuple[int, int] = (0, 0), filter: int = 0) -> Figure:
    """Draw how a convolution computes one pixel of its output, as one element of a product.

    Above: the patch in the image, the kernel, the pixel. In the middle the matrices: the
    patch is a row of `columns`, the kernel a column of `kernel`, the pixel their product.
    Below: the sum, term by term.

    Args:
        layer: the convolution.
        x: what the layer takes, (N, H, W, C), of which the first is drawn; or one image.
        at: a pixel (row, col) of the output.
        filter: number of a filter.

    Raises:
        TypeError: for a layer of another kind.
        ValueError: for a pixel or a filter that does not exist, or an x that does not fit.
        ImportError: if matplotlib is not installed.
    """
    taken, window = convolution_input(layer, x, "im2col")
    image, y = numbers(taken)[0], numbers(layer.infer(taken))[0]
    told = _product(layer, image, y, window, at, filter)
    figure = new_figure(11.5, 8.6)
    figure.suptitle(
        f"{layer.name}: the output at row {told.at[0]}, column {told.at[1]}, filter {told.filter}",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    top, middle, bottom = strips(figure, 3.2, 3.4, 1.9)
    _draw_pictures(top, image, y, told, window)
    _draw_matrices(middle, layer, image, told, window)
    _draw_sum(bottom, layer, told)
    return figure


def convolution_input(layer: Any, x: Any, function: str) -> tuple[Any, Window]:
    """The image (1, H, W, C) and the window that slides over it."""
    if not isinstance(layer, Conv2D):
        raise TypeError(f"{function} needs a Conv2D layer. Received: {layer!r}")
    image = one_image(layer, x)
    return image, layer.window(image.shape)


def patch_at(image: np.ndarray, window: Window, row: int, col: int) -> np.ndarray:
    """What the window sees at one position: (H, W, C) -> (KH, KW, C), zeros on the padding."""
    padded = np.pad(image, (*window.padding, (0, 0)))
    (SH, SW), (DH, DW), (KH, KW) = window.strides, window.dilation, window.size
    rows = row * SH + DH * np.arange(KH)
    cols = col * SW + DW * np.arange(KW)
    return padded[np.ix_(rows, cols)]


def _product(
    layer: Conv2D, image: np.ndarray, y: np.ndarray, window: Window, at: Any, filter: Any
) -> PatchProduct:
    i, j = place(layer, at, window.output, "output")
    f = below(layer, filter, layer.filters, "filter")
    kernel = numbers(layer.params["kernel"])[..., f].astype(np.float64)
    first = f // (layer.filters // layer.groups) * kernel.shape[2]
    channels = first, first + kernel.shape[2]
    patch = patch_at(image, window, i, j)[..., slice(*channels)].astype(np.float64)
    products = patch * kernel
    total = float(products.sum())
    bias = float(numbers(layer.params["bias"])[f]) if layer.use_bias else 0.0
    corner = tuple(
        index * stride - pads[0]
        for index, stride, pads in zip((i, j), window.strides, window.padding, strict=True)
    )
    return PatchProduct(
        (i, j), f, channels, (corner[0], corner[1]), i * window.output[1] + j, patch, kernel,
        products, total, bias, total + bias, float(y[i, j, f]),
    )  # fmt: skip


# ---- the picture -------------------------------------------------------------------


def draw_input(axes: Any, image: np.ndarray, channel: int, window: Window) -> None:
    """The input, in colours if it has three channels, with room for its padding."""
    H, W, C = image.shape
    if C == 1 and max(H, W) <= SMALL:
        draw_numbers(axes, image[..., 0], f"input, {H} x {W}")
    elif C in (1, 3):
        axes.imshow(displayable(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        entitle(axes, f"input, {H} x {W}")
    else:
        draw_map(axes, image[..., channel], f"input, {H} x {W}: channel {channel} of {C}")
    (above, under), (left, right) = window.padding
    axes.set_xlim(-0.5 - left, W - 0.5 + right)
    axes.set_ylim(H - 0.5 + under, -0.5 - above)


def extent(window: Window) -> tuple[int, int]:
    """Pixels from the first to the last tap: (height, width)."""
    return (
        (window.size[0] - 1) * window.dilation[0] + 1,
        (window.size[1] - 1) * window.dilation[1] + 1,
    )


def _draw_pictures(
    figure: Any, image: np.ndarray, y: np.ndarray, told: PatchProduct, window: Window
) -> None:
    count = told.patch.shape[2]
    # Of many channels the one that has most to say.
    channel = int(np.abs(told.products).sum(axis=(0, 1)).argmax())
    which = f": channel {told.channels[0] + channel}" if count > 1 else ""
    picture, patch, kernel, output = figure.subplots(1, 4)
    draw_input(picture, image, told.channels[0] + channel, window)
    frame(picture, *told.corner, *extent(window))
    size = 8 if window.size[1] <= 3 else 6
    draw_cells(patch, told.patch[..., channel], f"patch{which}", size)
    draw_cells(kernel, told.kernel[..., channel], f"kernel of filter {told.filter}{which}", size)
    rows, cols = window.output
    draw = draw_numbers if max(rows, cols) <= SMALL else draw_map
    draw(output, y[..., told.filter], f"output {told.filter}, {rows} x {cols}")
    frame(output, *told.at)


def _draw_matrices(
    figure: Any, layer: Conv2D, image: np.ndarray, told: PatchProduct, window: Window
) -> None:
    OH, OW = window.output
    rows = _around(told.row, OH * OW)
    # Only the filters of this group see the same channels.
    own = layer.filters // layer.groups
    start = told.filter // own * own
    filters = start + _around(told.filter - start, own)
    kernels = numbers(layer.params["kernel"])[..., filters].astype(np.float64)
    patches = [patch_at(image, window, *divmod(int(row), OW)) for row in rows]
    columns = np.stack([patch[..., slice(*told.channels)].ravel() for patch in patches])
    matrix = kernels.reshape(-1, len(filters))
    K = len(matrix)
    left, times, right, equals, out = figure.subplots(
        1, 5, width_ratios=[max(4.0, 0.22 * min(K, _STRIP)), 0.2, 2.4, 0.2, 2.4]
    )
    size = 7 if K <= 12 else 4.5
    draw_cells(left, columns, f"columns: {OH * OW} rows of {K}", size, digits=2 if K <= 16 else 0)
    label_rows(left, [str(row) for row in rows])
    here, column = int(np.argmax(rows == told.row)), int(np.argmax(filters == told.filter))
    frame(left, here, 0, 1, K)
    say(times, "×", 16)
    draw_cells(right, matrix, f"kernel: {K} x {layer.filters}", 6, digits=2 if K <= 12 else 0)
    frame(right, 0, column, K, 1)
    say(equals, "=", 16)
    draw_cells(out, columns @ matrix, f"products: {OH * OW} x {layer.filters}", 6, digits=2)
    frame(out, here, column)


def _draw_sum(figure: Any, layer: Conv2D, told: PatchProduct) -> None:
    strip = np.stack([part.ravel() for part in (told.patch, told.kernel, told.products)])
    # Each row has colours of its own: a patch of bytes would leave the kernel pale.
    strengths = np.abs(strip).max(axis=1, keepdims=True)
    strengths[strengths == 0] = 1
    K = strip.shape[1]
    axes = figure.subplots()
    draw_cells(axes, strip / strengths, limit=1.0, digits=0)
    if K <= _STRIP:
        size = 8 if K <= 12 else 5
        for (row, column), value in np.ndenumerate(strip):
            dark = abs(value) > 0.6 * strengths[row, 0]
            axes.text(
                column, row, shown(value), ha="center", va="center", fontsize=size,
                color="white" if dark else INK_ON_PALE,
            )  # fmt: skip
    label_rows(axes, [f"row {told.row} of columns", f"column {told.filter} of kernel", "product"])
    name = layer.activation.name
    ends = "" if name == "linear" else f"   →   {name}   →   y = {shown(told.y)}"
    axes.set_xlabel(
        f"sum of the {K} products {shown(told.total)}   +   bias {shown(told.bias)}   =   "
        f"z = {shown(told.z)}{ends}",
        color=INK, fontsize=11, labelpad=8,
    )  # fmt: skip
    axes.tick_params(axis="y", labelcolor=FAINT)


def _around(number: int, count: int) -> np.ndarray:
    """A number and its neighbours among 0 .. count - 1."""
    width = min(2 * _NEIGHBOURS + 1, count)
    start = min(max(number - _NEIGHBOURS, 0), count - width)
    return np.arange(start, start + width)
