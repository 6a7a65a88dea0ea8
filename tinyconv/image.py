"""Operations on arrays of pixels, under the names of `tf.image`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.geometry import Pair, pair

__all__ = ["resize"]

_METHODS = ("bilinear", "nearest")


def resize(
    images: Any,
    size: Any,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
) -> Array:
    """Resize images to `size` = (height, width), as `tf.image.resize` does.

    Pixels are little squares: the centre of output pixel i of n lies at
    (i + 1/2) H / n - 1/2 in the rows 0 .. H - 1 of the input ("half-pixel centres").
    "nearest" takes the pixel that this point falls into. "bilinear" mixes the four
    pixels around it, with a, b being how far it lies beyond the upper and the left one:

        y = (1 - a) ((1 - b) x00 + b x01) + a ((1 - b) x10 + b x11)

    where pixels outside of the image are those on its edge. No other pixel counts,
    however much smaller the output is: there is no antialiasing.

    Args:
        images: (H, W, C) or (N, H, W, C), any numbers.
        method: "bilinear" or "nearest".

    Returns:
        (height, width, C) or (N, height, width, C): float32 for "bilinear", the dtype of
        `images` for "nearest". (TensorFlow gives back images that already have
        the size as they are, with their dtype; here the dtype depends on the method alone.)

    Raises:
        ValueError: for another shape, size or method, or an argument that is not supported.

    Source: G. Wolberg, "Digital Image Warping" (1990), 5.4; TensorFlow's `HalfPixelScaler`.
    """
    pixels = np.asarray(images)
    if pixels.ndim not in (3, 4) or 0 in pixels.shape[-3:] or pixels.dtype.kind not in "buif":
        raise ValueError(
            "'resize': images must be numbers of shape (height, width, channels) or (batch, "
            f"height, width, channels). Received: shape {pixels.shape}, dtype {pixels.dtype}"
        )
    height, width = height_width(size, "size", "resize")
    if method not in _METHODS:
        raise ValueError(f"'resize': method must be one of {_METHODS}. Received: method={method!r}")
    for name, value in (("preserve_aspect_ratio", preserve_aspect_ratio), ("antialias", antialias)):
        if value:
            raise ValueError(f"'resize': {name} is not supported. Received: {name}={value!r}")
    rows, columns = pixels.ndim - 3, pixels.ndim - 2
    along = _nearest if method == "nearest" else _bilinear
    return along(along(pixels, height, rows), width, columns)


def height_width(size: Any, name: str, owner: str) -> Pair:
    """Check that a size is (height, width), two positive integers.

    Raises:
        ValueError: naming the owner and the argument.
    """
    if np.shape(size) != (2,):
        raise ValueError(f"{owner!r}: {name} must be (height, width). Received: {size!r}")
    return pair(tuple(size), name, owner)


def _nearest(pixels: Array, length: int, axis: int) -> Array:
    places = _edges(pixels.shape[axis], length)
    return pixels.take(np.minimum(places.astype(np.intp), pixels.shape[axis] - 1), axis=axis)


def _bilinear(pixels: Array, length: int, axis: int) -> Array:
    centres = _edges(pixels.shape[axis], length) - np.float32(0.5)
    before = np.floor(centres)
    share = (centres - before).reshape(-1, *(1,) * (pixels.ndim - 1 - axis))
    last = pixels.shape[axis] - 1
    lower = np.clip(before.astype(np.intp), 0, last)
    upper = np.clip(np.ceil(centres).astype(np.intp), 0, last)
    low = pixels.take(lower, axis=axis).astype(np.float32, copy=False)
    mixed = pixels.take(upper, axis=axis).astype(np.float32, copy=False)
    mixed -= low
    mixed *= share
    mixed += low
    return mixed


def _edges(before: int, after: int) -> Array:
    """(i + 1/2) H / n, in float32 as TensorFlow counts, so that ties fall as they do there."""
    scale = np.float32(before) / np.float32(after)
    return (np.arange(after, dtype=np.float32) + np.float32(0.5)) * scale
