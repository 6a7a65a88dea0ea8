"""Images as the pretrained networks expect them, and the names of what they see."""

from __future__ import annotations

import json
import operator
import reprlib
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.applications.weights import Published
from tinyconv.backends.base import Array
from tinyconv.config import floatx
from tinyconv.layers.symbolic import is_symbolic
from tinyconv.training.input_record import InputRecord
from tinyconv.training.warn import warn_user

__all__ = ["decode_predictions", "preprocess_input"]

CLASSES = 1000
_MEANS = (103.939, 116.779, 123.68)  # of ImageNet's pixels: blue, green, red
_LOW, _HIGH = -max(_MEANS), 255 - min(_MEANS)  # of prepared pixels
_MAGNITUDE = 50.0  # about the mean distance of a pixel from them
_INDEX = Published(
    "imagenet_class_index.json",
    "https://storage.googleapis.com/download.tensorflow.org/data/",
    "c2c37ea517e94d9795004a39431a14cb",
)

Guess = tuple[str, str, Any]


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Pixels as VGG16 and ResNet50 expect them: RGB becomes BGR, less the mean of each channel.

    Args:
        x: (height, width, 3) or (batch, height, width, 3), values 0 to 255; a TensorFlow
            tensor too, as in `dataset.map`. It is not changed.
        data_format: None or "channels_last".

    Returns:
        A new array of the same shape; integers become `tinyconv.config.floatx()`.

    Raises:
        ValueError: for other shapes, and for what is no numbers. Values that are prepared or
            scaled already are told by a warning, but for those of a tensor in `dataset.map`.
        TypeError: inside a functional model, on a symbolic `Input`.
    """
    if data_format not in (None, "channels_last"):
        raise ValueError(
            "preprocess_input: data_format must be None or 'channels_last'. "
            f"Received: data_format={data_format!r}"
        )
    if is_symbolic(x):
        raise TypeError(
            "preprocess_input: a symbolic tensor holds no pixels, and this is no layer. Apply it "
            "to the images before the model gets them: preprocess_input(images), or "
            f"dataset.map(lambda x, y: (preprocess_input(x), y)). Received: {x!r}"
        )
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and tensorflow.is_tensor(x):
        if x.shape.rank is not None:
            _check_shape(tuple(x.shape))
        if hasattr(x, "numpy"):  # its values are known, unlike those of one in a graph
            _warn_of_scale(x.numpy())
        dtype = x.dtype if x.dtype.is_floating else floatx()
        return tensorflow.cast(x, dtype)[..., ::-1] - tensorflow.constant(_MEANS, dtype)
    pixels = _pixels(x)
    dtype = pixels.dtype if pixels.dtype.kind == "f" else np.dtype(floatx())
    _warn_of_scale(pixels)
    return np.subtract(pixels[..., ::-1], np.asarray(_MEANS, dtype), dtype=dtype)


def _pixels(x: Any) -> Array:
    """The argument as an array of one image or a batch, or a ValueError."""
    try:
        pixels = np.asarray(x)
        numbers = pixels.dtype.kind in "buif"
    except ValueError:  # images of several sizes make no array
        numbers = False
    if not numbers:
        raise ValueError(
            "preprocess_input: expected an array of images of one size, (height, width, 3) or "
            f"(batch, height, width, 3). Received: {reprlib.repr(x)}"
        )
    _check_shape(pixels.shape)
    return pixels


def _check_shape(shape: tuple[int | None, ...]) -> None:
    if len(shape) in (3, 4) and shape[-1] in (3, None):
        return
    hint = ""
    if len(shape) == 2 or (len(shape) in (3, 4) and shape[-1] in (1, 2, 4)):
        hint = ". Read grey or transparent images as colour: load_img(path, color_mode='rgb')"
    raise ValueError(
        "preprocess_input: expected images (height, width, 3) or (batch, height, width, 3). "
        f"Received: shape {shape}{hint}"
    )


def _warn_of_scale(pixels: Array) -> None:
    if not pixels.size or pixels.dtype == np.uint8:
        return
    low, high = float(pixels.min()), float(pixels.max())
    hint = ""
    if low < 0 and high <= _HIGH + 1:  # else a resizing that overshoots
        hint = "Were they preprocessed already? Once is enough"
    elif 0 < high <= 1 and pixels.dtype.kind == "f":
        hint = "Were they divided by 255? Leave that out"
    elif high > 2 * 255:
        hint = "Have they 16 bits? Divide them by 257"
    if hint:
        warn_user(
            f"preprocess_input: expected pixels from 0 to 255. Received: values from {low:g} to "
            f"{high:g}. {hint}"
        )


def decode_predictions(preds: Any, top: int = 5) -> list[list[Guess]]:
    """For each image the `top` most probable classes, the best first.

    Keras' list of the classes is downloaded if it is not in Keras' folder.

    Args:
        preds: (batch, 1000).

    Returns:
        A list an image of (WordNet id, name, score).

    Raises:
        ValueError: for another shape, or `top` below 1.
        DownloadError: if the list is not there and can't be had.
    """
    scores = np.asarray(preds)
    if scores.ndim != 2 or scores.shape[1] != CLASSES:
        raise ValueError(
            f"decode_predictions: expected predictions (batch, {CLASSES}), those of a network "
            f"with its ImageNet top. Received: shape {scores.shape}"
        )
    try:
        count = operator.index(top)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(
            f"decode_predictions: top must be a number, at least 1. Received: top={top!r}"
        )
    names = class_names(_INDEX.fetch())
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return [
        [(*names[index], row[index]) for index in order]
        for row, order in zip(scores, best, strict=True)
    ]


@lru_cache(maxsize=1)
def class_names(file: Path) -> tuple[tuple[str, str], ...]:
    """(WordNet id, name) of each class, from Keras' file."""
    index = json.loads(file.read_text(encoding="utf-8"))
    return tuple((str(id), str(name)) for id, name in (index[str(i)] for i in range(CLASSES)))


def names_at_hand() -> list[str] | None:
    """The names of the classes in plain words; None where Keras' list has not been downloaded."""
    if not _INDEX.path.is_file():
        return None
    return [name.replace("_", " ") for _, name in class_names(_INDEX.fetch())]


def input_record() -> InputRecord:
    """What the networks were trained on, for the warning about images of another scale."""
    return InputRecord(_LOW, _HIGH, 0.0, _MAGNITUDE, 1, "float32")
