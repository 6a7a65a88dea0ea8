"""Which pixels of the image one place deep in a network can see, and by how many ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.backends import load
from tinyconv.explain.arguments import place
from tinyconv.explain.cells import entitle, frame
from tinyconv.explain.heat import coloured
from tinyconv.explain.im2col import extent
from tinyconv.explain.style import FAINT, INK, QUIET, RIGHT, clear_spines, new_figure
from tinyconv.explain.walk import Call, Walk, numbers
from tinyconv.geometry import Pair
from tinyconv.layers import (
    Activation,
    Add,
    BatchNormalization,
    Concatenate,
    Dense,
    Dropout,
    Flatten,
    Rescaling,
    Reshape,
    Softmax,
    ZeroPadding2D,
)
from tinyconv.layers.base import Layer
from tinyconv.layers.global_pooling import GlobalPooling2D
from tinyconv.layers.windowed import Windowed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tinyconv.models.model import Model

_POINTWISE = (Activation, Dense, BatchNormalization, Dropout, Rescaling)
_FEWEST = 5  # rows that there is room for: one bar alone would fill all of it
_BARS = 16  # layers that the growth of the field is drawn for


class Reach(NamedTuple):
    """How far a layer sees, wherever it looks from.

    Attributes:
        layer: its path in the model.
        size: (height, width) of its field in pixels of the image, padding included; None
            where it sees all of it.
        strides: pixels from the field of one output to that of its neighbour.
    """

    layer: str
    size: Pair | None
    strides: Pair


class ReceptiveField(NamedTuple):
    """What one place of a layer's output can see.

    Attributes:
        layer: its path in the model.
        at: the place (row, col) in the output; None where that is no image.
        paths: (H, W), the number of ways from each pixel to the place, 0 outside the field.
        rows, cols: (first, behind the last) of the pixels in the field.
        reaches: of the layers on the way, this one last.
    """

    layer: str
    at: Pair | None
    paths: np.ndarray
    rows: Pair
    cols: Pair
    reaches: list[Reach]


def receptive_field_of(
    model: Model, x: Any, layer: str | Layer, at: Pair | None = None
) -> ReceptiveField:
    """The numbers that `receptive_field` draws; arguments as there."""
    return field_of(Walk(model, x), layer, at)


def receptive_field(model: Model, x: Any, layer: str | Layer, at: Pair | None = None) -> Figure:
    """Draw which part of an image one place of a layer can see.

    In the middle of its field there are many ways from a pixel to the place, at the edge few:
    there a pixel counts for little (Luo et al. 2016, "Understanding the Effective Receptive
    Field in Deep Convolutional Neural Networks").

    Args:
        model: with one input, an image.
        x: the image, (H, W, C), or several, of which the first is drawn.
        layer: a name, a path or a layer.
        at: the place (row, col) in its output, the middle unless given.

    Raises:
        ValueError: for a layer or a place that is not there, or an input that is no image.
        TypeError: for a layer on the way of a class of which the field is not known.
        ImportError: if matplotlib is not installed.
    """
    walk = Walk(model, x)
    return draw_field(walk, field_of(walk, layer, at))


def draw_field(walk: Walk, told: ReceptiveField) -> Figure:
    """The picture of `receptive_field`."""
    image = numbers(walk.inputs[0][:1])[0]
    H, W = image.shape[:2]
    height, width = told.rows[1] - told.rows[0], told.cols[1] - told.cols[0]
    where = "" if told.at is None else f" at row {told.at[0]}, column {told.at[1]}"
    figure = new_figure(12.0, 4.4)
    figure.suptitle(
        f"{told.layer}{where} sees {height} x {width} of {H} x {W} pixels",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    picture, paths, growth = figure.subplots(1, 3)
    _draw_image(picture, image, told)
    paths.imshow(told.paths, cmap="magma", vmin=0, interpolation="nearest")
    entitle(paths, "number of ways from each pixel to it")
    _draw_growth(growth, told.reaches)
    return figure


def field_of(walk: Walk, layer: str | Layer, at: Any) -> ReceptiveField:
    """The numbers of `receptive_field`, from a walk that has been made."""
    if len(walk.inputs) != 1 or walk.inputs[0].ndim != 4:
        shapes = [each.shape for each in walk.inputs]
        raise ValueError(
            f"{walk.model!r}: a receptive field needs one input (batch, height, width, channels). "
            f"Received: {shapes}"
        )
    number = walk.number(layer)
    target = walk.calls[number]
    size = _size(target.output)
    start = np.ones(())
    if size is not None:
        middle = size[0] // 2, size[1] // 2
        at = place(target.layer, middle if at is None else at, size, "output")
        start = np.zeros(size)
        start[at] = 1
    elif at is not None:
        raise ValueError(
            f"{target.layer!r}: its output is no image (batch, height, width, channels), so at "
            f"must be None. Received: at={at!r}, shape {target.output.shape}"
        )
    # From the place back to the image, each value with the number of ways through it.
    ways = {target.step.targets[0]: start}
    passed = set()
    for index in range(number, -1, -1):
        call = walk.calls[index]
        here = ways.get(call.step.targets[0])
        if here is not None:
            passed.add(index)
            for slot, found in zip(call.step.sources, _back(call, here), strict=True):
                ways[slot] = ways[slot] + found if slot in ways else found
    paths = ways.get(walk.model.graph.inputs[0], np.zeros(_size(walk.inputs[0]) or ()))
    rows, cols = (_bounds(np.any(paths > 0, axis=axis)) for axis in (1, 0))
    reaches = [reach for index, reach in enumerate(_reaches(walk, number)) if index in passed]
    return ReceptiveField(target.path, at, paths, rows, cols, reaches)


def _bounds(seen: Any) -> Pair:
    """(first, behind the last) of the true ones."""
    places = np.flatnonzero(seen)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


def _size(x: Any) -> Pair | None:
    """Height and width of images, None for anything else."""
    return (int(x.shape[1]), int(x.shape[2])) if x.ndim == 4 else None


def _back(call: Call, ways: np.ndarray) -> list[np.ndarray]:
    """The ways through the output of a call, as ways through each of its inputs."""
    layer, sizes = call.layer, [_size(x) for x in call.inputs]
    if isinstance(layer, Windowed):
        # Each output passes its ways on to all taps of its window: col2im of equal columns.
        window = layer.window(call.inputs[0].shape)
        taps = window.size[0] * window.size[1]
        columns = np.repeat(ways.reshape(-1, 1), taps, axis=1)
        return [load("numpy").col2im(columns, window)[0, :, :, 0]]
    if isinstance(layer, ZeroPadding2D):
        (top, _), (left, _) = layer.padding
        H, W = sizes[0] or (0, 0)
        return [ways[top : top + H, left : left + W]]
    if isinstance(layer, Concatenate):
        axis = layer.axis % call.output.ndim - 1
        if axis not in (0, 1) or not ways.ndim:
            return [ways] * len(sizes)
        cuts = np.cumsum([size[axis] for size in sizes if size])[:-1]
        return [np.array(part) for part in np.split(ways, cuts, axis=axis)]
    if isinstance(layer, Add):
        return [_repeated(ways, size) for size in sizes]
    mixes = isinstance(layer, Softmax) and layer.axis not in (-1, call.output.ndim - 1)
    if mixes or isinstance(layer, (GlobalPooling2D, Flatten, Reshape)):
        return [np.full(sizes[0] or (), ways.sum())]
    if isinstance(layer, _POINTWISE):
        return [ways]
    raise TypeError(f"{layer!r}: it is not known which pixels a {type(layer).__name__} sees")


def _repeated(ways: np.ndarray, size: Pair | None) -> np.ndarray:
    """Ways through a sum, as ways through an addend of this size: 1 along a repeated axis."""
    if size is None or not ways.ndim:
        return ways
    for axis in (0, 1):
        if size[axis] == 1:
            ways = ways.sum(axis=axis, keepdims=True)
    return ways


def _reaches(walk: Walk, last: int) -> list[Reach]:
    """How far each call sees, from the formulas: size += (extent - 1) * strides so far."""
    start: tuple[Pair | None, Pair] = (1, 1), (1, 1)
    at = {walk.model.graph.inputs[0]: start}
    reaches = []
    for call in walk.calls[: last + 1]:
        taken = [at[slot] for slot in call.step.sources]
        strides = max(each for _, each in taken)
        known = [size for size, _ in taken if size is not None]
        size: Pair | None = None
        if len(known) == len(taken) and call.output.ndim == 4:
            size = max(each[0] for each in known), max(each[1] for each in known)
        layer = call.layer
        if isinstance(layer, (GlobalPooling2D, Reshape)):
            size = None
        elif isinstance(layer, Windowed) and size is not None:
            high, wide = extent(layer.window(call.inputs[0].shape))
            size = size[0] + (high - 1) * strides[0], size[1] + (wide - 1) * strides[1]
            strides = strides[0] * layer.strides[0], strides[1] * layer.strides[1]
        for slot in call.step.targets:
            at[slot] = size, strides
        reaches.append(Reach(call.path, size, strides))
    return reaches


# ---- the picture -------------------------------------------------------------------


def _draw_image(axes: Axes, image: np.ndarray, told: ReceptiveField) -> None:
    """The image, pale where the place does not see it."""
    pixels = coloured(image)
    seen = (told.paths > 0)[..., None]
    axes.imshow(np.where(seen, pixels, 0.75 + 0.25 * pixels), interpolation="nearest")
    (top, bottom), (left, right) = told.rows, told.cols
    frame(axes, top, left, bottom - top, right - left)
    entitle(axes, "what it sees")


def _draw_growth(axes: Axes, reaches: list[Reach]) -> None:
    """A bar a layer that sees further than the one before it."""
    grown: list[Reach] = []
    for reach in reaches:
        if reach.size is not None and (not grown or reach.size != grown[-1].size):
            grown.append(reach)
    grown = grown[-_BARS:]
    axes.set_title("how far each layer sees, in pixels", color=INK, fontsize=9)
    places = np.arange(len(grown))
    lengths = [max(reach.size or (0, 0)) for reach in grown]
    colours = [RIGHT if n == len(grown) - 1 else QUIET for n in places]
    axes.barh(places, lengths, color=colours, height=0.7)
    for at, reach in enumerate(grown):
        high, wide = reach.size or (0, 0)
        axes.text(max(high, wide), at, f" {high} x {wide}", va="center", color=FAINT, fontsize=7)
    axes.set_yticks(places, [reach.layer.rsplit("/", 1)[-1] for reach in grown], fontsize=7)
    axes.set_ylim(max(len(grown), _FEWEST) - 0.4, -0.6)
    axes.set_xlim(0, 1.25 * max(lengths, default=1))
    axes.set_xticks([])
    axes.tick_params(length=0, labelcolor=INK)
    clear_spines(axes, "left")
