"""How loss and metrics went from epoch to epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tinyconv.explain.style import (
    FAINT,
    INK,
    QUIET,
    RIGHT,
    WRONG,
    clear_spines,
    new_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_MARKED = 40  # epochs beyond which a marker on each would only make the line thick
_VALIDATION = "val_"


def training_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw each quantity over the epochs, training and validation in one panel.

    Args:
        history: what `fit` returns as `.history`: a list of one value per epoch for
            "loss", "accuracy" and so on, and for "val_loss", "val_accuracy" and so on.

    Raises:
        ValueError: if there is nothing to draw, or the lists differ in length.
        ImportError: if matplotlib is not installed.
    """
    lengths = {name: len(values) for name, values in history.items()}
    if not lengths or not max(lengths.values()):
        raise ValueError("history holds no epoch to show: has the model been fitted?")
    if len(set(lengths.values())) > 1:
        raise ValueError(f"history must hold one value per epoch. Received: lengths {lengths}")

    # A dict keeps the order and drops the second of "loss" and "val_loss".
    metrics = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in history))
    columns = min(_COLUMNS, len(metrics))
    rows = -(-len(metrics) // columns)
    figure = new_figure(4.8 * columns, 3.4 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, metric in zip(panels, metrics, strict=False):
        _draw(panel, metric, history)
    for panel in panels[len(metrics) :]:
        panel.set_axis_off()
    return figure


def _draw(axes: Axes, metric: str, history: Mapping[str, Sequence[float]]) -> None:
    validated = _VALIDATION + metric in history
    # The validation's marker is smaller, so that neither hides the other.
    for name, label, colour, size in (
        (metric, "training", RIGHT, 6.0),
        (_VALIDATION + metric, "validation", WRONG, 4.0),
    ):
        if name not in history:
            continue
        values = np.asarray(history[name], np.float64)
        epochs = np.arange(1, len(values) + 1)
        marker = "o" if len(values) <= _MARKED else ""
        axes.plot(epochs, values, color=colour, label=label, marker=marker, markersize=size)
        axes.set_xlim(0.5, len(values) + 0.5)
        axes.set_xticks(_epoch_ticks(len(values)))
    axes.set_title(metric.replace("_", " "), loc="left", color=INK, fontweight="bold", fontsize=11)
    axes.set_xlabel("epoch", color=FAINT)
    axes.margins(y=0.12)
    axes.grid(axis="y", color=QUIET, alpha=0.4, linewidth=0.7)
    axes.tick_params(colors=FAINT, length=3)
    clear_spines(axes, "left", "bottom")
    if validated:
        axes.legend(frameon=False, labelcolor=INK, fontsize=9)


def _epoch_ticks(epochs: int) -> list[int]:
    """1, then round numbers: at most sixteen of them."""
    step, fives = 1, True
    while epochs > 15 * step:
        step, fives = step * (5 if fives else 2), not fives
    return sorted({1, *range(step, epochs + 1, step)})
