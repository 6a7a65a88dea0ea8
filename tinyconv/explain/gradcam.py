"""Grad-CAM: which parts of an image speak for a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.cells import draw_map
from tinyconv.explain.heat import coloured, draw_picture, overlay
from tinyconv.explain.scores import Scored, scored, verdict
from tinyconv.explain.style import INK, new_figure
from tinyconv.explain.walk import Walk, batch, numbers
from tinyconv.layers import Dropout, Reshape, ZeroPadding2D
from tinyconv.layers.base import Layer
from tinyconv.layers.global_pooling import GlobalPooling2D
from tinyconv.layers.pooling import Pooling2D

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinyconv.models.model import Model

_NO_FEATURES = (Pooling2D, GlobalPooling2D, Dropout, Reshape, ZeroPadding2D)


class GradCam(NamedTuple):
    """What the maps of a layer say for a class: map = max(0, sum of weight_k * map_k).

    Attributes:
        class_index: of the class.
        score: its logit; see `scores.scored`.
        probability: None where the model gives none.
        layer: whose maps they are, its path in the model.
        weights: (channels,), the slope of the score by each map, averaged over the map.
        map: (h, w), at the layer's own size, 0 where nothing speaks for the class.
    """

    class_index: int
    score: float
    probability: float | None
    layer: str
    weights: np.ndarray
    map: np.ndarray


def gradcam_values(
    model: Model, x: Any, class_index: int | None = None, layer: str | Layer | None = None
) -> GradCam:
    """The numbers that `gradcam` draws; arguments as there."""
    return gradcam_of(scored(model, x, class_index), layer)


def gradcam_of(told: Scored, layer: str | Layer | None = None) -> GradCam:
    """Grad-CAM of a score whose slopes are known."""
    number = _last_maps(told.walk) if layer is None else told.walk.number(layer)
    call, slope = told.walk.calls[number], told.slopes.outputs[number]
    if call.output.ndim != 4 or slope is None:
        what = f"its output has the shape {call.output.shape}"
        raise ValueError(
            f"{call.layer!r}: Grad-CAM needs maps (batch, height, width, channels) that the score "
            f"depends on. Received: {what if call.output.ndim != 4 else 'no path to the output'}"
        )
    maps, slopes = (numbers(each)[0].astype(np.float64) for each in (call.output, slope))
    weights = slopes.mean(axis=(0, 1))
    return GradCam(
        told.class_index, told.score, told.probability, call.path, weights,
        np.maximum(maps @ weights, 0),
    )  # fmt: skip


def gradcam(
    model: Model,
    x: Any,
    class_index: int | None = None,
    layer: str | Layer | None = None,
    image: Any = None,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw which parts of an image speak for a class.

    Args:
        model: a classifier of images.
        x: an image (H, W, C), or several, of which the first is taken.
        class_index: the class, the most probable unless given; 0 or 1 of one sigmoid output.
        layer: whose maps are weighed, by name, path or itself; unless given the last one that
            makes features, before any pooling behind it.
        image: what to draw in place of x where the network takes something that is not fit to
            be seen, (H, W), (H, W, 1) or (H, W, 3).
        class_names: a name for each class.

    Raises:
        ValueError: for a class or a layer that is not there, a layer without maps, or a model
            with several inputs or outputs.
        ImportError: if matplotlib is not installed.

    Source: Selvaraju et al. 2017, "Grad-CAM", equations 1 and 2.
    """
    told = gradcam_values(model, x, class_index, layer)
    pixels = coloured(numbers(batch(model, x)[0][:1])[0] if image is None else image)
    height, width = told.map.shape
    figure = new_figure(11.0, 3.2 * pixels.shape[0] / pixels.shape[1] + 1.0)
    figure.suptitle(verdict(told, class_names), color=INK, fontweight="bold", fontsize=12)
    picture, small, laid = figure.subplots(1, 3)
    draw_picture(picture, pixels, "image")
    draw_map(small, told.map, f"Grad-CAM of {told.layer}, {height} x {width}")
    draw_picture(laid, overlay(pixels, told.map), "what speaks for the class")
    return figure


def _last_maps(walk: Walk) -> int:
    for number in range(len(walk.calls) - 1, -1, -1):
        call = walk.calls[number]
        if call.output.ndim == 4 and not isinstance(call.layer, _NO_FEATURES):
            return number
    raise ValueError(f"{walk.model!r}: no layer makes maps (batch, height, width, channels)")
