"""Layers that move or rescale values: Flatten, Reshape, ZeroPadding2D, Rescaling, InputLayer."""

from __future__ import annotations

from parity.case import Case
from parity.cases.layer import layer_case

_IMAGES = (2, 3, 4, 5)


def cases() -> list[Case]:
    """All of them."""
    return [
        layer_case("Flatten", "images, in NHWC order", _IMAGES),
        layer_case("Flatten", "vectors", (3, 7)),
        layer_case("Flatten", "3-D", (3, 4, 5)),
        layer_case("Flatten", "data_format channels_last", _IMAGES, data_format="channels_last"),
        layer_case("Reshape", "to images", (3, 24), target_shape=(2, 3, 4)),
        layer_case("Reshape", "to vectors", _IMAGES, target_shape=(60,)),
        layer_case("Reshape", "one axis left open", _IMAGES, target_shape=(6, -1)),
        layer_case("Reshape", "the last axis left open", _IMAGES, target_shape=(-1,)),
        layer_case("ZeroPadding2D", "defaults", _IMAGES),
        layer_case("ZeroPadding2D", "2", _IMAGES, padding=2),
        layer_case("ZeroPadding2D", "rows and columns", _IMAGES, padding=(2, 1)),
        layer_case("ZeroPadding2D", "every side by itself", _IMAGES, padding=((1, 2), (3, 0))),
        layer_case("ZeroPadding2D", "none", _IMAGES, padding=0),
        layer_case("ZeroPadding2D", "data_format channels_last", _IMAGES,
                   data_format="channels_last"),
        layer_case("Rescaling", "pixels to 0..1", _IMAGES, scale=1 / 255),
        layer_case("Rescaling", "pixels to -1..1", _IMAGES, scale=1 / 127.5, offset=-1.0),
        layer_case("Rescaling", "exact constants", _IMAGES, scale=0.125, offset=-1.0),
        layer_case("Rescaling", "an offset alone", _IMAGES, scale=1.0, offset=0.5),
    ]  # fmt: skip
