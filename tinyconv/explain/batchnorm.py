"""Batch normalisation: each channel before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.arguments import below
from tinyconv.explain.panels import histogram
from tinyconv.explain.style import FAINT, INK, QUIET, RIGHT, clear_spines, new_figure
from tinyconv.explain.walk import numbers
from tinyconv.layers.batch_normalization import BatchNormalization

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CHANNELS = 4  # of which the distributions are drawn
_ROUNDING = 1e-5  # of a deviation: a mean below that is 0
_SPREADS = 64  # of which mean and deviation are drawn


class Normalized(NamedTuple):
    """What a batch normalisation does to a batch.

    Attributes:
        before, after: (N, ..., C).
        mean, variance: (C,), what the layer took for those of `before`.
        gamma, beta: (C,), the deviation and the mean that it gives instead.
        by_batch: whether mean and variance are those of this batch, not the moving ones.
    """

    before: np.ndarray
    after: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    gamma: np.ndarray
    beta: np.ndarray
    by_batch: bool


def normalized(layer: BatchNormalization, x: Any, training: bool = True) -> Normalized:
    """The numbers that `batchnorm` draws; arguments as there."""
    if not isinstance(layer, BatchNormalization):
        raise TypeError(f"batchnorm needs a BatchNormalization layer. Received: {layer!r}")
    before = layer.prepare(x)
    moving = {key: value.copy() for key, value in layer.state.items()}
    try:
        after, cache = layer.forward(before, training)
    finally:
        for key, value in moving.items():
            layer.state[key][...] = value
    gamma, beta = layer.gamma_beta()
    return Normalized(
        before=numbers(before),
        after=numbers(after),
        mean=numbers(cache.mean),
        variance=numbers(cache.variance),
        gamma=numbers(gamma),
        beta=numbers(beta),
        by_batch=bool(cache.by_batch),
    )


def batchnorm(
    layer: BatchNormalization, x: Any, training: bool = True, channel: int | None = None
) -> Figure:
    """Draw the channels of a batch before and after a batch normalisation.

    The layer is left as it was, its moving statistics included.

    Args:
        layer: the normalisation.
        x: what the layer takes, (N, ..., C): a batch, for its statistics are what it is about.
        training: whether those of the batch are taken, or, as in inference, the moving ones.
        channel: the first of four whose distribution is drawn; the liveliest four unless given.

    Raises:
        TypeError: for a layer of another kind.
        ValueError: for a channel that does not exist, or an x that does not fit.
        ImportError: if matplotlib is not installed.
    """
    told = normalized(layer, x, training)
    C = told.before.shape[-1]
    if channel is None:
        spread = told.before.reshape(-1, C).std(axis=0)
        shown = sorted(int(n) for n in np.argsort(-spread, kind="stable")[:_CHANNELS])
    else:
        first = below(layer, channel, C, "channel")
        shown = list(range(first, min(first + _CHANNELS, C)))
    figure = new_figure(11.0, 7.0)
    whose = "this batch" if told.by_batch else "the past, the moving ones"
    figure.suptitle(
        f"{layer.name}: mean and deviation of {whose}",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    half = _CHANNELS
    grid = figure.add_gridspec(3, 2 * half, height_ratios=[1.2, 1, 1])
    before = figure.add_subplot(grid[0, :half])
    after = figure.add_subplot(grid[0, half:], sharex=before)
    _draw_spread(before, told.before, "before: mean and deviation of each channel", QUIET)
    _draw_spread(after, told.after, "after", RIGHT)
    for place, number in enumerate(shown):
        columns = slice(2 * place, 2 * place + 2)
        above, under = (figure.add_subplot(grid[row, columns]) for row in (1, 2))
        _draw_channel(above, told.before[..., number], QUIET, "")
        made = f"\ngamma {told.gamma[number]:.3g}, beta {told.beta[number]:.3g}"
        _draw_channel(under, told.after[..., number], RIGHT, made)
        above.set_title(f"channel {number}", color=INK, fontsize=9)
        if place == 0:
            for axes, name in ((above, "before"), (under, "after")):
                axes.set_ylabel(name, color=INK, fontsize=9)
    return figure


def _draw_spread(axes: Axes, values: np.ndarray, title: str, colour: str) -> None:
    """A point a channel, its deviation as a line up and down."""
    rows = values.reshape(-1, values.shape[-1])[:, :_SPREADS].astype(np.float64)
    places = np.arange(rows.shape[1])
    axes.errorbar(
        places, rows.mean(axis=0), rows.std(axis=0), fmt="o", color=colour, ecolor=colour,
        markersize=3.5, markeredgecolor=INK, markeredgewidth=0.4,
    )  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set_title(title, color=INK, fontsize=9)
    axes.set_xlabel("channel", color=FAINT, fontsize=8)
    axes.tick_params(colors=FAINT, length=2, labelsize=7)
    clear_spines(axes, "left", "bottom")


def _draw_channel(axes: Axes, values: np.ndarray, colour: str, told: str) -> None:
    """The distribution of one channel, with its mean and deviation below."""
    histogram(axes, values, colour)
    mean, deviation = float(values.mean()), float(values.std())
    mean = mean if abs(mean) > _ROUNDING * deviation else 0.0
    axes.set_xlabel(f"{mean:.3g} ± {deviation:.2g}{told}", color=FAINT, fontsize=7.5)
