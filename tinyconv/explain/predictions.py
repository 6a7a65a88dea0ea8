"""Test images with what the network makes of them, and how sure it is."""

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
    displayable,
    new_figure,
    same_lengths,
    shorten,
    wrap,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_BARS = 10
_CAPTION = 15  # characters in a line that is no wider than its image and the margin


def predictions(
    images: Any, labels: Any, probabilities: Any, class_names: Sequence[str], count: int = 15
) -> Figure:
    """Draw the first `count` images with their predicted and (true) class.

    The caption is blue where the prediction is right and red where it is wrong.
    Beside each image stand the probabilities of the classes: the true class in blue, a
    wrong prediction in red, the rest in grey; of more than ten classes the ten most
    probable ones, and always the true one.

    Args:
        images: (N, H, W), (N, H, W, 1) or (N, H, W, 3), any scale.
        labels: (N,) true class indices.
        probabilities: (N, classes), each from 0 to 1.
        class_names: a name for each class.
        count: how many images to draw, at most; three in a row.

    Raises:
        ValueError: if the arguments do not fit each other, or there are no images.
        ImportError: if matplotlib is not installed.
    """
    pixels = _images(images)
    chances = _probabilities(probabilities, len(class_names))
    same_lengths(images=pixels, labels=labels, probabilities=chances)
    truth = class_indices(labels, "labels", len(class_names))
    if count < 1:
        raise ValueError(f"count must be at least 1. Received: count={count}")

    shown = min(count, len(pixels))
    columns = 2 if shown == 4 else min(_COLUMNS, shown)
    rows = -(-shown // columns)
    figure = new_figure(4.4 * columns, 2.1 * rows)
    grid = figure.subplots(
        rows, 2 * columns, squeeze=False, gridspec_kw={"width_ratios": [1.0, 1.0] * columns}
    )
    names = [str(name) for name in class_names]
    for place in range(rows * columns):
        row, column = divmod(place, columns)
        picture, bars = grid[row, 2 * column], grid[row, 2 * column + 1]
        if place < shown:
            _draw_image(picture, pixels[place], chances[place], int(truth[place]), names)
            _draw_bars(bars, chances[place], int(truth[place]), names)
        else:
            picture.set_axis_off()
            bars.set_axis_off()
    return figure


def _draw_image(
    axes: Axes, image: np.ndarray, chances: np.ndarray, truth: int, names: list[str]
) -> None:
    best = int(chances.argmax())
    # Dark on white, as ink on paper: grey values of 0 are the background.
    axes.imshow(displayable(image), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    clear_spines(axes, "left", "right", "top", "bottom")
    # A long name fills its lines, so that the percentage takes the next one.
    joint = " · " if len(names[best]) < _CAPTION else "\n"
    guess = wrap(names[best], _CAPTION) + joint + f"{chances[best]:.0%}"
    caption = f"{guess}\n({wrap(names[truth], _CAPTION)})"
    axes.set_xlabel(caption, color=RIGHT if best == truth else WRONG, fontsize=9)


def _draw_bars(axes: Axes, chances: np.ndarray, truth: int, names: list[str]) -> None:
    best = int(chances.argmax())
    classes = _classes_to_show(chances, truth)
    colours = [RIGHT if c == truth else WRONG if c == best else QUIET for c in classes]
    places = np.arange(len(classes))
    axes.barh(places, chances[classes], color=colours, height=0.72)
    axes.set_yticks(places, [shorten(names[c], 18) for c in classes], fontsize=7)
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xticks([])
    axes.tick_params(length=0, pad=3)
    clear_spines(axes, "left")
    for tick, c in zip(axes.get_yticklabels(), classes, strict=True):
        told = c in (truth, best)
        tick.set_color(INK if told else FAINT)
        tick.set_fontweight("bold" if told else "normal")


def _classes_to_show(chances: np.ndarray, truth: int) -> list[int]:
    if len(chances) <= _BARS:
        return list(range(len(chances)))
    best = [int(c) for c in np.argsort(-chances, kind="stable")[:_BARS]]
    return best if truth in best else [*best[:-1], truth]


def _images(images: Any) -> np.ndarray:
    pixels = np.asarray(images)
    gray = pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[-1] == 1)
    rgb = pixels.ndim == 4 and pixels.shape[-1] == 3
    if not (gray or rgb) or (len(pixels) and not pixels[0].size):
        raise ValueError(
            "images must have the shape (N, H, W), (N, H, W, 1) or (N, H, W, 3). "
            f"Received: shape {pixels.shape}"
        )
    return pixels


def _probabilities(probabilities: Any, classes: int) -> np.ndarray:
    chances = np.asarray(probabilities, np.float64)
    if chances.ndim != 2 or chances.shape[1] != classes:
        raise ValueError(
            f"probabilities must have the shape (N, {classes}), a column for each of the "
            f"{classes} class names. Received: shape {chances.shape}"
        )
    # The comparison is false for NaN, too.
    if not np.all((chances >= -1e-6) & (chances <= 1 + 1e-6)):
        raise ValueError(
            "probabilities must lie between 0 and 1; if these are logits, apply softmax first. "
            f"Received: values from {chances.min():.3g} to {chances.max():.3g}"
        )
    return chances
