"""How loss and metrics went from epoch to epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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

    from tinyconv.callbacks import History

Curves = dict[str, tuple[list[int], "Sequence[float]"]]

_COLUMNS = 3
_MARKED = 40  # epochs beyond which a marker on each would only make the line thick
_VALIDATION = "val_"


def training_curves(history: History | Mapping[str, Sequence[float]]) -> Figure:
    """Draw each quantity over the epochs, training and validation in one panel.

    Args:
        history: what `fit` returns, or its `.history`: a list of one value per epoch for
            "loss", "accuracy" and so on, and for "val_loss", "val_accuracy" and so on.
            With validation_freq above 1 only the `History` itself knows which epochs were
            validated.

    Raises:
        ValueError: if there is nothing to draw, or lists of different lengths come alone.
        ImportError: if matplotlib is not installed.
    """
    curves = _curves(history)
    if not any(epochs for epochs, _ in curves.values()):
        raise ValueError("history holds no epoch to show: has the model been fitted?")

    # A dict keeps the order and drops the second of "loss" and "val_loss".
    metrics = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in curves))
    columns = min(_COLUMNS, len(metrics))
    rows = -(-len(metrics) // columns)
    figure = new_figure(4.8 * columns, 3.4 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, metric in zip(panels, metrics, strict=False):
        _draw(panel, metric, curves)
    for panel in panels[len(metrics) :]:
        panel.set_axis_off()
    return figure


def _curves(history: Any) -> Curves:
    """Epochs, counted from 1, and values of each name."""
    if not isinstance(history, Mapping):
        return {
            name: ([epoch + 1 for epoch in history.epochs[name]], values)
            for name, values in history.history.items()
        }
    lengths = {name: len(values) for name, values in history.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            "history must hold one value per epoch; where only some epochs were validated, give "
            f"the History that fit returns. Received: lengths {lengths}"
        )
    return {name: (list(range(1, len(values) + 1)), values) for name, values in history.items()}


def _draw(axes: Axes, metric: str, curves: Curves) -> None:
    validated = _VALIDATION + metric in curves
    first = min(epochs[0] for epochs, _ in curves.values() if epochs)
    last = max(epochs[-1] for epochs, _ in curves.values() if epochs)
    # The validation's marker is smaller, so that neither hides the other.
    for name, label, colour, size in (
        (metric, "training", RIGHT, 6.0),
        (_VALIDATION + metric, "validation", WRONG, 4.0),
    ):
        if name not in curves:
            continue
        epochs, values = curves[name]
        marker = "o" if len(values) <= _MARKED else ""
        numbers = np.asarray(values, np.float64)
        axes.plot(epochs, numbers, color=colour, label=label, marker=marker, markersize=size)
    axes.set_xlim(first - 0.5, last + 0.5)
    axes.set_xticks(_epoch_ticks(last, first))
    axes.set_title(metric.replace("_", " "), loc="left", color=INK, fontweight="bold", fontsize=11)
    axes.set_xlabel("epoch", color=FAINT)
    axes.margins(y=0.12)
    axes.grid(axis="y", color=QUIET, alpha=0.4, linewidth=0.7)
    axes.tick_params(colors=FAINT, length=3)
    clear_spines(axes, "left", "bottom")
    if validated:
        axes.legend(frameon=False, labelcolor=INK, fontsize=9)


def _epoch_ticks(last: int, first: int = 1) -> list[int]:
    """The first, then round numbers: at most sixteen of them."""
    step, fives = 1, True
    while last - first + 1 > 15 * step:
        step, fives = step * (5 if fives else 2), not fives
    return sorted({first, *range(-(-first // step) * step, last + 1, step)})
