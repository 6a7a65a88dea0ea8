"""What comes out of each layer: how large, how many zeros, and which units are dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.panels import bars, histogram_column
from tinyconv.explain.style import FAINT, INK, new_figure
from tinyconv.explain.walk import Call, Walk, numbers
from tinyconv.layers.base import Layer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinyconv.models.model import Model


class LayerActivations(NamedTuple):
    """The outputs of one layer over a batch.

    Attributes:
        layer: its path in the model.
        values: (N, ...), all of them.
        mean, std: of the values.
        norm: length of the output of an image as a vector, averaged over the images.
        zeros: share of the values that are exactly 0.
        units: length of the last axis: channels of a convolution, units of a dense layer.
        dead: numbers of the units that are 0 for every image, at every place.
    """

    layer: str
    values: np.ndarray
    mean: float
    std: float
    norm: float
    zeros: float
    units: int
    dead: np.ndarray


def activation_values(
    model: Model, x: Any, layers: Sequence[str | Layer] | None = None
) -> list[LayerActivations]:
    """The numbers that `activations` draws; arguments as there."""
    walk = Walk(model, x)
    if layers is None:
        every = range(len(walk.calls))
        chosen = [n for n in every if walk.calls[n].layer.activation.name != "linear"]
        chosen = chosen or [n for n in every if walk.calls[n].layer.params]
    else:
        chosen = [walk.number(each) for each in layers]
    if not chosen:
        raise ValueError(f"{model!r}: no layer has weights or an activation; name some layers")
    return [measured(walk.calls[number]) for number in chosen]


def activations(model: Model, x: Any, layers: Sequence[str | Layer] | None = None) -> Figure:
    """Draw the distribution of each layer's outputs, their size, and how many are zero.

    A ReLU that is 0 for every image gets no gradient and learns nothing: it is dead. That only
    tells over many images, a few dozen at least.

    Args:
        model: whatever its graph.
        x: images (N, H, W, C).
        layers: names, paths or layers; those that end with an activation function unless given,
            or those with weights if there are none.

    Raises:
        ValueError: for a layer that is not there, a model with nothing to draw, or an x that
            does not fit.
        ImportError: if matplotlib is not installed.
    """
    told = activation_values(model, x, layers)
    count = len(told[0].values)
    figure = new_figure(11.0, 0.75 * len(told) + 1.2)
    figure.suptitle(
        f"What comes out of the layers, over {count:,} image{'s' if count > 1 else ''}",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    grid = figure.add_gridspec(len(told), 3, width_ratios=[2.0, 1, 1])
    histogram_column(
        [figure.add_subplot(grid[row, 0]) for row in range(len(told))],
        "values other than 0",
        [each.layer for each in told],
        [each.values for each in told],
        [f"mean {each.mean:.2g}, std {each.std:.2g}" for each in told],
    )
    bars(figure.add_subplot(grid[:, 1]), [each.norm for each in told], "length of an output")
    bars(
        figure.add_subplot(grid[:, 2]),
        [each.zeros for each in told],
        "zeros, and dead units in red",
        [f"{each.zeros:.0%} zero, {len(each.dead)} of {each.units} dead" for each in told],
        1.0,
        below=[len(each.dead) / each.units for each in told],
    )
    figure.supxlabel(
        "dead: 0 for every one of these images, at every place", color=FAINT, fontsize=8
    )
    return figure


def measured(call: Call) -> LayerActivations:
    """What one call gave, in numbers."""
    values = numbers(call.output)
    rows = values.reshape(len(values), -1).astype(np.float64)
    units = values.reshape(-1, values.shape[-1])
    return LayerActivations(
        layer=call.path,
        values=values,
        mean=float(rows.mean()),
        std=float(rows.std()),
        norm=float(np.sqrt(np.square(rows).sum(axis=1)).mean()),
        zeros=float((rows == 0).mean()),
        units=units.shape[1],
        dead=np.flatnonzero(~units.any(axis=0)),
    )
