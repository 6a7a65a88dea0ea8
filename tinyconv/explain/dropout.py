"""Dropout: what is dropped, and why the rest is scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.arguments import below
from tinyconv.explain.cells import draw_cells
from tinyconv.explain.style import FAINT, INK, new_figure, square
from tinyconv.explain.walk import numbers
from tinyconv.geometry import integer
from tinyconv.layers.dropout import Dropout

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Dropped(NamedTuple):
    """Dropout on one sample.

    Attributes:
        x: what the layer takes.
        kept: bool, of one draw.
        y: x * kept / (1 - rate).
        mean: of y over several draws: near x, which is what inference gives.
        draws: their number.
    """

    x: np.ndarray
    kept: np.ndarray
    y: np.ndarray
    mean: np.ndarray
    draws: int


def dropped(layer: Dropout, x: Any, draws: int = 100) -> Dropped:
    """The numbers that `dropout` draws; arguments as there."""
    if not isinstance(layer, Dropout):
        raise TypeError(f"dropout needs a Dropout layer. Received: {layer!r}")
    integer(draws, "draws", layer)
    sample = layer.prepare(x)[:1]
    if sample.ndim < 2:
        raise ValueError(f"{layer!r}: expected input {layer.axes}. Received: shape {np.shape(x)}")
    state = layer.generator.bit_generator.state
    try:
        ys, masks = [], []
        for _ in range(draws):
            y, cache = layer.forward(sample, training=True)
            ys.append(numbers(y)[0])
            mask = np.ones(ys[0].shape, bool) if cache.kept is None else numbers(cache.kept)[0]
            masks.append(mask.astype(bool))
    finally:
        layer.generator.bit_generator.state = state
    return Dropped(numbers(sample)[0], masks[0], ys[0], np.mean(ys, axis=0, dtype="f8"), draws)


def dropout(layer: Dropout, x: Any, channel: int | None = None, draws: int = 100) -> Figure:
    """Draw what a dropout layer makes of one sample in training.

    What is kept is scaled by 1 / (1 - rate), so that over many draws the mean is x itself, and
    nothing has to be done in inference. The random numbers are put back: training goes on as if
    nothing had been drawn.

    Args:
        layer: the dropout.
        x: what the layer takes, (N, ...), of which the first sample is drawn.
        channel: of an image; the liveliest unless given.
        draws: for the mean.

    Raises:
        TypeError: for a layer of another kind.
        ValueError: for a channel that does not exist, no draws, or an x without a batch.
        ImportError: if matplotlib is not installed.
    """
    told = dropped(layer, x, draws)
    if told.x.ndim == 3:
        liveliest = int(told.x.std(axis=(0, 1)).argmax())
        c = below(layer, liveliest if channel is None else channel, told.x.shape[2], "channel")
        parts = [each[..., c] for each in (told.x, told.kept, told.y, told.mean)]
    else:
        parts = [square(each) for each in (told.x, told.kept, told.y, told.mean)]
    figure = new_figure(12.0, 3.9)
    figure.suptitle(
        f"{layer.name}: drops with a probability of {layer.rate:g}",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    titles = [
        "x",
        f"kept: {int(told.kept.sum())} of {told.kept.size}",
        f"y: the rest times {1 / (1 - layer.rate):.3g}",
        f"mean of {draws} draws" if draws > 1 else "mean of 1 draw",
    ]
    means = [f"mean {told.x.mean():.3g}", "", f"mean {told.y.mean():.3g}"]
    means.append(f"mean {told.mean.mean():.3g}")
    limit = float(np.nanmax(np.abs(parts[2]))) or None
    for axes, part, title, mean in zip(figure.subplots(1, 4), parts, titles, means, strict=True):
        own = None if part is parts[1] else limit
        digits = 2 if part.shape[1] <= 8 and own else 0
        draw_cells(axes, part.astype(np.float64), title, 7, own, digits)
        axes.set_xlabel(mean, color=FAINT, fontsize=8)
    return figure
