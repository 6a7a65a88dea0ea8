"""What all pictures share: colours, figures without pyplot, images fit to be shown."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue is right and red is wrong; both are told apart by the colour-blind, too.
RIGHT = "#1f5fc4"
WRONG = "#d62839"
QUIET = "#b9bfc9"
INK = "#22262e"
FAINT = "#6b7280"
INK_ON_PALE = "#23262e"  # INK where the ground is pale in every colour scheme


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that no global state of matplotlib knows about.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine
    except ImportError as error:
        raise ImportError('pictures need matplotlib: pip install "tinyconv[plots]"') from error
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08)
    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def clear_spines(axes: Axes, *keep: str) -> None:
    """Hide the frame but for the sides named, and draw those quietly."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in keep)
        spine.set_color(QUIET)


def shorten(name: str, width: int) -> str:
    """The name in at most `width` characters."""
    return name if len(name) <= width else name[: width - 1].rstrip() + "…"


def wrap(name: str, width: int, lines: int = 2) -> str:
    """The name in at most `lines` lines of `width` characters."""
    return "\n".join(textwrap.wrap(name, width, max_lines=lines, placeholder=" …")) or name


def displayable(image: np.ndarray) -> np.ndarray:
    """Map an image to 0..1 whatever its scale.

    Bytes and floats that reach beyond 1 but stay within 0..255 are divided by 255;
    floats within 0..1 stay; anything else (standardised images, say) is stretched
    from its smallest to its largest value.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3).

    Returns:
        (H, W) or (H, W, 3), float.
    """
    pixels = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    values = pixels.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if image.dtype.kind in "ui" or (low >= 0 and 1 < high <= 255):
        low, high = 0.0, 255.0 if high <= 255 else high
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    return np.clip((values - low) / ((high - low) or 1.0), 0, 1)


def square(values: np.ndarray) -> np.ndarray:
    """The values of a vector row by row in a square, NaN where there are no more."""
    flat = values.ravel().astype(np.float64)
    side = int(np.ceil(np.sqrt(len(flat))))
    rows = -(-len(flat) // side)
    return np.append(flat, np.full(rows * side - len(flat), np.nan)).reshape(rows, side)


def class_indices(values: Any, name: str, classes: int) -> np.ndarray:
    """Check labels: integers (N,) or (N, 1) from 0 to classes - 1.

    Raises:
        ValueError: naming `name`.
    """
    labels = np.asarray(values)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"{name} must hold one class index per image, shape (N,); "
            f"use argmax(axis=-1) on probabilities. Received: shape {labels.shape}"
        )
    if not np.array_equal(labels, np.rint(labels)):
        raise ValueError(f"{name} must be integers. Received: dtype {labels.dtype}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"{name} must lie from 0 to {classes - 1}, as there are {classes} classes. "
            f"Received: values from {labels.min()} to {labels.max()}"
        )
    return labels.astype(np.intp)


def same_lengths(**arrays: Sequence[Any] | np.ndarray) -> None:
    """Raise ValueError unless all are equally long and not empty."""
    lengths = {name: len(array) for name, array in arrays.items()}
    told = ", ".join(f"{name} {length}" for name, length in lengths.items())
    if len(set(lengths.values())) != 1:
        raise ValueError(f"{', '.join(lengths)} must be equally long. Received: {told}")
    if not min(lengths.values()):
        raise ValueError(f"there is nothing to show. Received: {told}")
