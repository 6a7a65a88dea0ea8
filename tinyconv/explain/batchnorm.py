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
        channel: the first of the channels whose distribution is drawn, 0 unless given.

    Raises:
        TypeError: for a layer of another kind.
        ValueError: for a channel that does not exist, or an x that does not fit.
        ImportError: if matplotlib is not installed.
    """
    told = normalized(layer, x, training)
    C = told.before.shape[-1]
    first = below(layer, 0 if channel is None else channel, C, "channel")
    shown = range(first, min(first + _CHANNELS, C))
    figure = new_figure(11.0, 5.6)
    whose = "this batch" if told.by_batch else "the past, the moving ones"
    figure.suptitle(
        f"{layer.name}: mean and deviation of {whose}",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    grid = figure.add_gridspec(2, 2 * _CHANNELS, height_ratios=[1, 1.1])
    half = _CHANNELS
    before = figure.add_subplot(grid[0, :half])
    after = figure.add_subplot(grid[0, half:], sharex=before)
    _draw_spread(before, told.before, "before: mean and deviation of each channel", QUIET)
    _draw_spread(after, told.after, "after", RIGHT)
    for place, number in enumerate(shown):
        axes = figure.add_subplot(grid[1, 2 * place : 2 * place + 2])
        histogram(axes, told.before[..., number], QUIET, alpha=0.9, density=True, label="before")
        histogram(axes, told.after[..., number], RIGHT, alpha=0.6, density=True, label="after")
        axes.set_title(f"channel {number}", color=INK, fontsize=9)
        axes.set_xlabel(
            f"({told.before[..., number].mean():.3g} ± {told.before[..., number].std():.2g})  →  "
            f"({told.after[..., number].mean():.3g} ± {told.after[..., number].std():.2g})\n"
            f"gamma {told.gamma[number]:.3g}, beta {told.beta[number]:.3g}",
            color=FAINT, fontsize=7.5,
        )  # fmt: skip
        if place == 0:
            axes.legend(frameon=False, fontsize=7.5, labelcolor=INK)
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
