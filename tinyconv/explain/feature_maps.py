"""What the layers of a network see in an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.cells import strips
from tinyconv.explain.style import FAINT, INK, displayable, new_figure
from tinyconv.explain.walk import Walk, numbers
from tinyconv.geometry import integer
from tinyconv.layers.base import Layer
from tinyconv.layers.conv2d import Conv2D

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinyconv.models.model import Model

_COLUMNS = 6
_BORDER = 2  # pixels that see much of the padding


class LayerValues(NamedTuple):
    """What one call of a layer took and gave, as NumPy arrays (N, ...).

    Attributes:
        input: the first of them where the layer takes several.
        output: the first of them where it gives several.
    """

    input: np.ndarray
    output: np.ndarray


def layer_values(
    model: Model, x: Any, layers: Sequence[str | Layer] | None = None
) -> dict[str, LayerValues]:
    """What each layer takes and gives in inference, by its path in the model.

    So `im2col` can be shown deep in a network: `im2col(layer, values[layer.name].input)`.

    Args:
        model: whatever its graph; the layers of models inside it have paths: "vgg16/block1_conv1".
        x: images (N, H, W, C), or one image.
        layers: names, paths or layers; all unless given. Of one that is called several times
            the first call.

    Raises:
        ValueError: for a layer that is not there, or an x that does not fit.
    """
    walk = Walk(model, x)
    wanted = range(len(walk.calls)) if layers is None else [walk.number(each) for each in layers]
    found: dict[str, LayerValues] = {}
    for number in wanted:
        call = walk.calls[number]
        if call.path not in found:
            found[call.path] = LayerValues(numbers(call.inputs[0]), numbers(call.output))
    return found


def feature_maps(
    model: Model,
    x: Any,
    layers: Sequence[str | Layer] | None = None,
    image: Any = None,
    count: int = 12,
    title: str = "",
) -> Figure:
    """Draw an image and the maps that layers make of it, the brighter the stronger.

    Of a layer with more than `count` maps some of the livelier are drawn, as different from
    each other as there are.

    Args:
        model, x: as `layer_values`; the first image is drawn.
        layers: whose output is drawn; the last convolution of each size unless given.
        image: what to draw in place of x where the network takes something that is not fit
            to be seen, (H, W), (H, W, 1) or (H, W, 3).
        count: how many maps of a layer to draw, at most.
        title: above all.

    Raises:
        ValueError: for a layer that is not there or whose output is no image, a model without
            a convolution, or an x that does not fit.
        ImportError: if matplotlib is not installed.
    """
    integer(count, "count", "feature_maps")
    walk = Walk(model, x)
    chosen = _last_of_each_size(walk) if layers is None else [walk.number(each) for each in layers]
    maps: dict[str, np.ndarray] = {}
    for number in chosen:
        call = walk.calls[number]
        if call.output.ndim != 4:
            raise ValueError(
                f"{call.layer!r}: its output is no image (batch, height, width, channels). "
                f"Received: shape {call.output.shape}"
            )
        maps[call.path] = numbers(call.output[:1])[0]
    pixels = np.asarray(image) if image is not None else numbers(walk.inputs[0][:1])[0]
    return _draw(pixels, maps, count, title)


def _last_of_each_size(walk: Walk) -> list[int]:
    last: dict[tuple[int, ...], int] = {}
    for number, call in enumerate(walk.calls):
        if isinstance(call.layer, Conv2D):
            size = call.output.shape[1:3]
            last.pop(size, None)  # the order is that of the last ones
            last[size] = number
    if not last:
        raise ValueError(f"{walk.model!r}: there is no Conv2D layer; name the layers to draw")
    return list(last.values())


def different(maps: np.ndarray, count: int) -> np.ndarray:
    """Which maps to show: lively ones, each as unlike those before it as there is.

    Args:
        maps: (H, W, F).
        count: how many, at most.

    Returns:
        Their numbers; all in order if there are no more than `count`.
    """
    if maps.shape[2] <= count:
        return np.arange(maps.shape[2])
    edge = slice(_BORDER, -_BORDER) if min(maps.shape[:2]) > 4 * _BORDER else slice(None)
    values = maps[edge, edge].reshape(-1, maps.shape[2]).astype(np.float64)
    spread = values.std(axis=0)
    lively = np.argsort(-spread, kind="stable")[: max(len(spread) // 2, count)]
    centred = values[:, lively] - values[:, lively].mean(axis=0)
    centred /= np.linalg.norm(centred, axis=0) + 1e-9  # a map of one value is like no other
    alike = np.abs(centred.T @ centred)
    chosen = [0]
    while len(chosen) < count:
        likeness = alike[chosen].max(axis=0)
        likeness[chosen] = np.inf
        chosen.append(int(likeness.argmin()))
    return np.asarray(lively[chosen])


def brightness(values: np.ndarray) -> tuple[float, float]:
    """What is drawn black and what white in a map."""
    # A few very bright pixels would leave the rest of the map in the dark.
    bright = float(np.quantile(values, 0.995)) or 1.0
    low = min(float(values.min()), 0.0)
    return low, max(bright, low + 1e-9)


def _draw(image: np.ndarray, maps: Mapping[str, np.ndarray], count: int, title: str) -> Figure:
    width = 11.0
    pixels = displayable(image) if image.ndim == 2 or image.shape[2] in (1, 3) else None
    # Inches of a row of maps; all have about the shape of the image.
    row = width / _COLUMNS * image.shape[0] / image.shape[1]
    shown = {name: different(values, count) for name, values in maps.items()}
    rows = {name: -(-len(chosen) // _COLUMNS) for name, chosen in shown.items()}
    heights = [2 * row + 0.1, *(rows[name] * row + 0.4 for name in maps)]
    figure = new_figure(width, sum(heights) + 0.5)
    layout: Any = figure.get_layout_engine()
    layout.set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    figure.suptitle(title, color=INK, fontsize=14)
    first, *others = strips(figure, *heights)
    top = first.subplots()
    top.set_axis_off()
    if pixels is not None:
        top.imshow(pixels, cmap="gray", vmin=0, vmax=1)
    for strip, (name, values) in zip(others, maps.items(), strict=True):
        H, W, filters = values.shape
        told = f"{len(shown[name])} of {filters}" if len(shown[name]) < filters else f"{filters}"
        strip.suptitle(f"{name}: {told} maps, {H} x {W}", color=FAINT, fontsize=10)
        panels = strip.subplots(rows[name], _COLUMNS, squeeze=False).ravel()
        for panel in panels:
            panel.set_axis_off()
        for panel, number in zip(panels, shown[name], strict=False):
            low, high = brightness(values[..., number])
            panel.imshow(values[..., number], cmap="magma", vmin=low, vmax=high)
    return figure
