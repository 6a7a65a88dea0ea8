"""A coarse map laid over an image, as heat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.explain.cells import entitle
from tinyconv.explain.style import displayable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STRONGEST = 0.8  # share of the colour where the map is highest; the rest is image


def coloured(image: Any) -> np.ndarray:
    """An image of any scale as (H, W, 3) from 0 to 1.

    Args:
        image: (H, W) or (H, W, C); of other than 1 or 3 channels the mean is taken.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        pixels = pixels.mean(axis=2)
    shown = displayable(pixels)
    return np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown


def enlarge(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (h, w) at another size, bilinear between the middles of its pixels."""
    for axis, length in enumerate(size):
        own = values.shape[axis]
        places = (np.arange(length) + 0.5) * own / length - 0.5
        places = np.clip(places, 0, own - 1)
        low = np.minimum(places.astype(int), max(own - 2, 0))
        share = (places - low).reshape(-1, 1) if axis == 0 else places - low
        first = values.take(low, axis)
        second = values.take(np.minimum(low + 1, own - 1), axis)
        values = first * (1 - share) + second * share
    return values


def overlay(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """An image (H, W, 3) in grey with a map of any size laid over it, the hotter the brighter."""
    import matplotlib

    heat = enlarge(values / (float(values.max()) or 1.0), (image.shape[0], image.shape[1]))
    colours = matplotlib.colormaps["inferno"](heat)[..., :3]
    share = _STRONGEST * heat[..., None]
    mixed: np.ndarray = (1 - share) * image.mean(axis=2, keepdims=True) + share * colours
    return mixed


def draw_picture(axes: Axes, pixels: np.ndarray, title: str) -> None:
    """An image (H, W, 3) from 0 to 1."""
    axes.imshow(np.clip(pixels, 0, 1), interpolation="nearest")
    entitle(axes, title)
