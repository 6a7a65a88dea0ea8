"""The inside of one layer: how a pixel is computed, and how its gradient comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinyconv.explain.batchnorm import batchnorm
from tinyconv.explain.cells import shown
from tinyconv.explain.col2im import col2im
from tinyconv.explain.dropout import dropout
from tinyconv.explain.feature_maps import different
from tinyconv.explain.filters import filter_values
from tinyconv.explain.im2col import PatchProduct, extent, im2col, patch_product
from tinyconv.explain.pooling import pooling
from tinyconv.explain.receptive_field import draw_field, field_of
from tinyconv.explain.report.markup import Html, joined, more, paragraph, tag
from tinyconv.explain.report.pictures import Picture, drawing, photograph, slopes, tile, tiles
from tinyconv.explain.report.subject import Subject
from tinyconv.explain.walk import Call, numbers
from tinyconv.geometry import Pair
from tinyconv.layers import BatchNormalization, Conv2D, Dropout
from tinyconv.layers.pooling import Pooling2D

_FILTERS = 12  # pictures of filters, or of the channels of one


class Spot(NamedTuple):
    """The pixel of a convolution that is looked at.

    Attributes:
        filter: the one with the liveliest map.
        at: the brightest pixel of that map.
        channel: of the input, the one that had most to say there.
        pixel: of the input, in the middle of what the output's pixel sees.
        told: how the pixel was computed.
    """

    filter: int
    at: Pair
    channel: int
    pixel: Pair
    told: PatchProduct


def inside(about: Subject, number: int, first: bool = False) -> Html:
    """What there is to see in a call: nothing for a layer that only passes on or adds up.

    Args:
        first: whether the first part is open.
    """
    for kind, draw in _PARTS.items():
        if isinstance(about.calls[number].layer, kind):
            parts = draw(about, number)
            opened = (more(*part, opened=first and not place) for place, part in enumerate(parts))
            return joined(opened)
    return Html("")


def spot(call: Call) -> Spot:
    """A pixel worth looking at."""
    layer: Any = call.layer
    maps = numbers(call.output)[0]
    f = int(different(maps, 1)[0]) if maps.shape[2] > 1 else 0
    i, j = (int(n) for n in np.unravel_index(maps[..., f].argmax(), maps.shape[:2]))
    told = patch_product(layer, call.inputs[0], (i, j), f)
    channel = told.channels[0] + int(np.abs(told.products).sum(axis=(0, 1)).argmax())
    window = layer.window(call.inputs[0].shape)
    row, col = (
        min(max(corner + size // 2, 0), length - 1)
        for corner, size, length in zip(told.corner, extent(window), window.input, strict=True)
    )
    return Spot(f, (i, j), channel, (row, col), told)


# ---- each kind of layer: parts of (title, contents) ---------------------------------


def _convolution(about: Subject, number: int) -> list[tuple[Any, ...]]:
    call = about.calls[number]
    layer: Any = call.layer
    here, x, dy = spot(call), call.inputs[0], about.slope(number)
    named = f"explain.{{}}({about.source(number)}, {_taken(call)}, {{}})"
    forward = im2col(layer, x, here.at, here.filter)
    pixel = f"row {here.at[0]}, column {here.at[1]}"
    parts: list[tuple[Any, ...]] = [
        (
            "One pixel, forward: im2col",
            paragraph(
                f"The brightest pixel of map {here.filter}, at {pixel}. What the filter sees "
                "there is one row of the matrix of columns, the filter one column of the matrix "
                "of kernels, and the pixel their product: "
                f"{shown(here.told.total)} + bias {shown(here.told.bias)} = "
                f"{shown(here.told.z)}."
            ),
            drawing(
                forward, f"im2col of {layer.name} at {pixel}",
                _code(named.format("im2col", f"at={here.at}, filter={here.filter}")),
            ),
        )
    ]  # fmt: skip
    if dy is not None:
        back = col2im(layer, x, here.pixel, here.channel, here.filter, dy)
        way = (
            f"at={here.pixel}, channel={here.channel}, filter={here.filter}{_sloped(about, number)}"
        )
        parts.append(
            (
                "One pixel, backward: col2im",
                paragraph(
                    f"The same taps the other way round: the input at row {here.pixel[0]}, column "
                    f"{here.pixel[1]}, channel {here.channel} was seen by several windows, and "
                    "each sends back its gradient times the weight that the pixel had in it."
                ),
                drawing(back, f"col2im of {layer.name}", _code(named.format("col2im", way))),
            )
        )
    parts.append(_filters(about, number, here.filter))
    parts.append(_field(about, number, here.at))
    return parts


def _filters(about: Subject, number: int, chosen: int) -> tuple[Any, ...]:
    layer: Any = about.calls[number].layer
    told = filter_values(layer)
    KH, KW, C, F = told.kernel.shape
    code = _code(f"explain.filters({about.source(number)})")
    if C in (1, 3):
        count = min(F, _FILTERS)
        limit = float(np.abs(told.kernel).max())
        sources = [
            _in_colours(told.kernel[..., f]) if C == 3 else slopes(told.kernel[..., 0, f], limit)
            for f in range(count)
        ]
        captions = [f"{f} · norm {told.norms[f]:.2g}" for f in range(count)]
        which = f"The first {count} of {F} filters" if count < F else f"All {F} filters"
        colours = "grey is zero" if C == 3 else "blue adds, red subtracts"
        text = f"{which}, {KH} × {KW} weights each; {colours}."
    else:
        # Where a filter has many channels, some of one filter tell more than one of each.
        kernel = told.kernel[..., chosen]
        weights, limit = np.abs(kernel).sum(axis=(0, 1)), float(np.abs(kernel).max())
        channels = np.sort(np.argsort(-weights, kind="stable")[:_FILTERS])
        sources = [slopes(kernel[..., c], limit) for c in channels]
        captions = [f"channel {c}" for c in channels]
        text = (
            f"Filter {chosen} of {F} has {C} channels of {KH} × {KW} weights; these "
            f"{len(channels)} weigh most. Blue adds, red subtracts."
        )
    strip = [tile(*each) for each in zip(sources, captions, captions, strict=True)]
    return "Filters", paragraph(text), tiles(*strip), code


def _in_colours(kernel: np.ndarray) -> Picture:
    return photograph(0.5 + 0.5 * kernel / (float(np.abs(kernel).max()) or 1.0))


def _field(about: Subject, number: int, at: Pair) -> tuple[Any, ...]:
    title, path = "Receptive field: what this pixel can see", about.calls[number].path
    code = _code(f"explain.receptive_field(model, x, {path!r}, at={at})")
    try:
        told = field_of(about.walk, path, at)
    except (TypeError, ValueError) as error:  # a layer of the reader's own, or no image
        return title, paragraph(f"Not drawn: {error}.")
    high, wide = told.rows[1] - told.rows[0], told.cols[1] - told.cols[0]
    text = f"This one pixel depends on {high} × {wide} pixels of the image."
    if told.paths.max() > 1:
        text += " From the middle of them many ways lead to it, from the edge few."
    figure = draw_field(about.walk, told)
    return title, paragraph(text), drawing(figure, f"receptive field of {path}", code)


def _pooling(about: Subject, number: int) -> list[tuple[Any, ...]]:
    call = about.calls[number]
    layer: Any = call.layer
    figure = pooling(layer, call.inputs[0], dy=about.slope(number))
    code = f"explain.pooling({about.source(number)}, {_taken(call)}{_sloped(about, number)})"
    return [
        (
            "Who wins, and where the gradient goes",
            paragraph(
                "Some windows in the middle of the liveliest map. Above forward, below backward: "
                "of a maximum only the winner, in its frame, gets the gradient; of a mean each "
                "pixel gets its share."
            ),
            drawing(figure, f"windows of {layer.name}", _code(code)),
        )
    ]


def _batchnorm(about: Subject, number: int) -> list[tuple[Any, ...]]:
    call = about.calls[number]
    layer: Any = call.layer
    figure = batchnorm(layer, call.inputs[0], training=False)
    code = f"explain.batchnorm({about.source(number)}, {_taken(call)}, training=False)"
    return [
        (
            "Before and after",
            paragraph(
                "The channels of this one image, by the mean and the deviation that training has "
                "kept. After it they are of one size, but for what gamma and beta make of them."
            ),
            drawing(figure, f"channels before and after {layer.name}", _code(code)),
        )
    ]


def _dropout(about: Subject, number: int) -> list[tuple[Any, ...]]:
    call = about.calls[number]
    layer: Any = call.layer
    code = _code(f"explain.dropout({about.source(number)}, {_taken(call)})")
    return [
        (
            "What it would drop in training",
            paragraph(
                "What is kept is scaled up, so that over many draws the mean is the input "
                "itself: that is why a prediction needs no dropout."
            ),
            drawing(dropout(layer, call.inputs[0]), f"dropout by {layer.name}", code),
        )
    ]


_PARTS: dict[type, Callable[[Subject, int], list[tuple[Any, ...]]]] = {
    Conv2D: _convolution,
    Pooling2D: _pooling,
    BatchNormalization: _batchnorm,
    Dropout: _dropout,
}


def _taken(call: Call) -> str:
    """Python for what a layer takes."""
    return f"values[{call.path!r}].input"


def _sloped(about: Subject, number: int) -> str:
    """Python for the slope of the score by what a layer gives."""
    known = about.slope(number) is not None
    return f", dy=slopes[{about.calls[number].path!r}]" if known else ""


def _code(text: str) -> Html:
    return tag("code", text, class_="call")
