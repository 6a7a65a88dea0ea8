"""Saliency: which pixels change the score of a class most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.cells import draw_map, entitle
from tinyconv.explain.heat import coloured, draw_picture
from tinyconv.explain.scores import scored, verdict
from tinyconv.explain.style import FAINT, INK, new_figure
from tinyconv.explain.walk import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinyconv.models.model import Model


class Saliency(NamedTuple):
    """The slope of the score of a class by the pixels of one image.

    Attributes:
        class_index: of the class.
        score: its logit; see `scores.scored`.
        probability: None where the model gives none.
        x: (H, W, C), the image as the network takes it.
        gradient: (H, W, C), how much the score rises with each value.
        map: (H, W), the greatest size of the gradient over the channels.
    """

    class_index: int
    score: float
    probability: float | None
    x: np.ndarray
    gradient: np.ndarray
    map: np.ndarray


def saliency_values(model: Model, x: Any, class_index: int | None = None) -> Saliency:
    """The numbers that `saliency` draws; arguments as there."""
    told = scored(model, x, class_index)
    image, slope = told.walk.inputs[0], told.slopes.inputs[0]
    pixels = numbers(image)[0]
    gradient = np.zeros(pixels.shape) if slope is None else numbers(slope)[0].astype(np.float64)
    return Saliency(
        told.class_index, told.score, told.probability, pixels, gradient,
        np.abs(gradient).max(axis=2),
    )  # fmt: skip


def saliency(
    model: Model,
    x: Any,
    class_index: int | None = None,
    image: Any = None,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw which pixels of an image change the score of a class most, and in which direction.

    Args:
        model: a classifier of images.
        x: an image (H, W, C), or several, of which the first is taken.
        class_index: the class, the most probable unless given; 0 or 1 of one sigmoid output.
        image: what to draw in place of x where the network takes something that is not fit to
            be seen, (H, W), (H, W, 1) or (H, W, 3).
        class_names: a name for each class.

    Raises:
        ValueError: for a class that is not there, or a model with several inputs or outputs.
        ImportError: if matplotlib is not installed.

    Source: Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks", section 3.
    """
    told = saliency_values(model, x, class_index)
    pixels = coloured(told.x if image is None else image)
    figure = new_figure(11.0, 3.2 * pixels.shape[0] / pixels.shape[1] + 1.2)
    figure.suptitle(verdict(told, class_names), color=INK, fontweight="bold", fontsize=12)
    picture, sizes, signs = figure.subplots(1, 3)
    draw_picture(picture, pixels, "image")
    # A few very steep pixels would leave the others in the dark.
    bright = float(np.quantile(told.map, 0.99)) or float(told.map.max()) or 1.0
    sizes.imshow(told.map, cmap="magma", vmin=0, vmax=bright, interpolation="nearest")
    entitle(sizes, "saliency: size of the gradient")
    total = told.gradient.sum(axis=2)
    limit = float(np.quantile(np.abs(total), 0.99))
    draw_map(signs, np.clip(total, -limit, limit) if limit else total, "gradient", gradient=True)
    signs.set_xlabel("brighter here: blue for, red against the class", color=FAINT, fontsize=8)
    return figure
