"""Which classes a network takes for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.explain.style import (
    FAINT,
    INK,
    QUIET,
    RIGHT,
    WRONG,
    class_indices,
    clear_spines,
    new_figure,
    same_lengths,
    shorten,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WRITTEN = 40  # classes beyond which counts and names would be too small to read
_LEVEL = 4  # letters that fit below a cell
_DARK = 0.55  # luminance below which white is the more legible ink


def confusion_matrix(labels: Any, predicted: Any, classes: int) -> np.ndarray:
    """Count what was taken for what: matrix[t, p] images of class t were called p.

    Args:
        labels: (N,) true class indices.
        predicted: (N,) predicted class indices.
        classes: number of classes.

    Returns:
        (classes, classes) int64; rows are true, columns predicted.

    Raises:
        ValueError: if lengths differ, are zero, or an index is out of range.
    """
    truth = class_indices(labels, "labels", classes)
    guess = class_indices(predicted, "predicted", classes)
    same_lengths(labels=truth, predicted=guess)
    counts = np.bincount(truth * classes + guess, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def confusion(labels: Any, predicted: Any, class_names: Sequence[str]) -> Figure:
    """Draw the confusion matrix, with the accuracy of each class at its side.

    A cell is the darker the larger its share of the true class: blue on the diagonal,
    red beside it. Small shares are emphasised (square root), for they are the errors.

    Args:
        labels: (N,) true class indices.
        predicted: (N,) predicted class indices.
        class_names: a name for each class.

    Raises:
        ValueError: as `confusion_matrix`.
        ImportError: if matplotlib is not installed.
    """
    names = [str(name) for name in class_names]
    counts = confusion_matrix(labels, predicted, len(names))
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]

    side = min(max(0.56 * len(names), 2.2), 16)
    figure = new_figure(side + 3.4, side + 1.9)
    matrix = figure.subplots()
    # Inside the frame of the matrix, so that its rows are exactly those of the matrix.
    accuracy = matrix.inset_axes((1 + 0.15 / side, 0, 1 / side, 1))
    _draw_matrix(matrix, counts, shares, names)
    _draw_accuracy(accuracy, shares.diagonal(), totals)
    right = counts.trace()
    figure.suptitle(
        f"{right / counts.sum():.1%} right: {right:,} of {counts.sum():,} images",
        color=INK,
        fontweight="bold",
        fontsize=12,
    )
    return figure


def _draw_matrix(axes: Axes, counts: np.ndarray, shares: np.ndarray, names: list[str]) -> None:
    colours = _colours(shares)
    axes.imshow(colours, aspect="equal")
    places = np.arange(len(names))
    if len(names) <= _WRITTEN:
        # A cell is about half an inch wide: four digits at 9 points fit in it.
        size = 9 if counts.max() < 10_000 else 7
        luminance = colours @ (0.2126, 0.7152, 0.0722)
        for t, p in np.ndindex(counts.shape):
            ink = "white" if luminance[t, p] < _DARK else INK if counts[t, p] else QUIET
            axes.text(p, t, str(counts[t, p]), ha="center", va="center", color=ink, fontsize=size)
        short = [shorten(name, 18) for name in names]
        if max(map(len, short)) <= _LEVEL:
            axes.set_xticks(places, short)
        else:
            axes.set_xticks(places, short, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, short)
    axes.set_xlabel("predicted", color=FAINT)
    axes.set_ylabel("true", color=FAINT)
    axes.tick_params(length=0, labelcolor=INK, labelsize=9)
    # White lines between the cells.
    axes.set_xticks(places[1:] - 0.5, minor=True)
    axes.set_yticks(places[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    clear_spines(axes)


def _draw_accuracy(axes: Axes, accuracies: np.ndarray, totals: np.ndarray) -> None:
    places = np.arange(len(accuracies))
    axes.barh(places, accuracies, color=RIGHT, height=0.3)
    axes.barh(places, 1 - accuracies, left=accuracies, color=QUIET, alpha=0.5, height=0.3)
    if len(accuracies) <= _WRITTEN:
        for place, (share, total) in enumerate(zip(accuracies, totals, strict=True)):
            told = f"{share:.1%}" if total else "none"
            axes.text(1.12, place, told, ha="left", va="center", color=INK, fontsize=9)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(accuracies) - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title("accuracy", color=FAINT, fontsize=10)
    clear_spines(axes)


def _colours(shares: np.ndarray) -> np.ndarray:
    """(classes, classes, 3): from white to blue on the diagonal, to red elsewhere."""
    from matplotlib.colors import to_rgb

    full = np.where(np.eye(len(shares), dtype=bool)[..., None], to_rgb(RIGHT), to_rgb(WRONG))
    depth = np.sqrt(shares)[..., None]
    return np.asarray(1 - depth * (1 - full))
