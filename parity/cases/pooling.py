"""Pooling over windows and over whole images, with ties and with padding."""

from __future__ import annotations

from typing import Any

from parity.case import Case
from parity.cases.layer import layer_case

_LAYERS = ("MaxPooling2D", "AveragePooling2D")
_GLOBAL = ("GlobalMaxPooling2D", "GlobalAveragePooling2D")
_EVEN, _ODD = (2, 6, 8, 3), (2, 7, 9, 3)


def cases() -> list[Case]:
    """All of them."""
    found = [case for cls in _LAYERS for case in [*_padding(cls), *_windows(cls), *_ties(cls)]]
    return [*found, *[case for cls in _GLOBAL for case in _whole_image(cls)]]


def _padding(cls: str) -> list[Case]:
    """`same` adds pixels that never win a maximum and never count in a mean."""
    return [
        layer_case(
            cls, f"{padding}, pool {size}, stride {stride}, {sizes} size", shape,
            pool_size=size, strides=stride, padding=padding,
        )
        for stride in (1, 2, 3)
        for size in (2, 3)
        for padding in ("valid", "same")
        for sizes, shape in (("even", _EVEN), ("odd", _ODD))
    ]  # fmt: skip


def _windows(cls: str) -> list[Case]:
    same: dict[str, Any] = {"padding": "same"}
    # Keras has a default pool for the maximum alone.
    pool: dict[str, Any] = {} if cls == "MaxPooling2D" else {"pool_size": 2}
    return [
        layer_case(cls, "defaults", _ODD, **pool),
        layer_case(cls, "strides as the pool", _ODD, pool_size=3, strides=None),
        layer_case(cls, "pool 1x3", _ODD, pool_size=(1, 3)),
        layer_case(cls, "strides 2x1, same", _ODD, pool_size=2, strides=(2, 1), **same),
        layer_case(cls, "windows that overlap", _ODD, pool_size=3, strides=1),
        layer_case(cls, "stride larger than the pool", _ODD, pool_size=2, strides=3),
        layer_case(cls, "pool larger than the image, same", (2, 2, 3, 3), pool_size=5, **same),
        layer_case(cls, "the whole image", (2, 4, 5, 3), pool_size=(4, 5)),
        layer_case(cls, "negative values, same", _ODD, "negative", pool_size=3, strides=2, **same),
        layer_case(cls, "data_format channels_last", _EVEN, data_format="channels_last", **pool),
        layer_case(cls, "in inference", _EVEN, training=False, **pool),
        layer_case(cls, "as in ResNet", (2, 56, 56, 16), "sparse", pool_size=3, strides=2,
                   case={"quick": False}, **same),
    ]  # fmt: skip


def _ties(cls: str) -> list[Case]:
    """Equal maxima, which a ReLU makes plenty of: the first of them gets the gradient."""
    overlap: dict[str, Any] = {"pool_size": 3, "strides": 1}
    return [
        case
        for values, words in (
            ("constant", "constant input"),
            ("sparse", "as after a ReLU"),
            ("ties", "many equal values"),
        )
        for case in (
            layer_case(cls, words, _EVEN, values, pool_size=2),
            layer_case(cls, f"{words}, overlapping, same", _ODD, values, padding="same", **overlap),
        )
    ]


def _whole_image(cls: str) -> list[Case]:
    return [
        layer_case(cls, "defaults", _ODD),
        layer_case(cls, "keepdims", _ODD, keepdims=True),
        layer_case(cls, "one pixel", (2, 1, 1, 3)),
        layer_case(cls, "constant input", _EVEN, "constant"),
        layer_case(cls, "as after a ReLU", _EVEN, "sparse"),
        layer_case(cls, "many equal values", _ODD, "ties"),
        layer_case(cls, "data_format channels_last", _EVEN, data_format="channels_last"),
    ]
