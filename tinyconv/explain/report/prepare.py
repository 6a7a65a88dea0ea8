"""An image file as a model takes it: its size, its channels, its scale."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.geometry import Pair
from tinyconv.layers import Rescaling
from tinyconv.training.input_record import InputRecord, centred, expected_records

if TYPE_CHECKING:
    from tinyconv.models.model import Model

SCALES = ("0..1", "-1..1", "0..255", "imagenet")
_LARGEST = 224  # pixels along a side, for models that take images of any size
_SLACK = 0.1  # by which resizing may have passed the ends of a scale
_DEEP = 255.0  # the largest value of a pixel with 8 bits
_MODES = {1: "grayscale", 3: "rgb", 4: "rgba"}


class Prepared(NamedTuple):
    """An image file, read for a model.

    Attributes:
        x: as the model takes it, with a batch of one.
        picture: (H, W, channels), what it shows, 0 to 1.
        size: (height, width) of the file.
        scale: one of `SCALES`.
        why: where that is known from.
    """

    x: np.ndarray
    picture: np.ndarray
    size: Pair
    scale: str
    why: str


def image_for(model: Model, file: Any, scale: str | None = None, invert: bool = False) -> Any:
    """Read an image file as a model takes it: (1, H, W, C), or what else it calls an image.

    The whole image is resized to the model's size (averaging, so that nothing is lost between
    the pixels), turned as its EXIF says, and made grey where the model takes one channel. A model
    of images of any size gets it at its own, up to 224 pixels along the longer side.

    Args:
        model: with one input: (H, W, C), (H, W) or as many numbers as a square image has.
        file: path of an image.
        scale: of the pixels, "0..1", "-1..1", "0..255" or "imagenet" (`preprocess_input` of VGG16
            and ResNet50); unless given the one that the model was trained on, which its file
            remembers; where it does not, 0..255 for a model that begins with `Rescaling`, and
            0..1 for others.
        invert: make dark light and light dark first: a black drawing on white paper becomes
            white on black, as in MNIST and Fashion-MNIST.

    Raises:
        ValueError: for a model of several inputs or of no images, or a scale that is unknown or
            cannot be guessed.
        OSError: naming the file, if it is missing or is no image.
        ImportError: if Pillow is not installed.
    """
    return prepare(model, file, scale, invert).x


def prepare(model: Model, file: Any, scale: str | None = None, invert: bool = False) -> Prepared:
    """An image file, read for a model; arguments as `image_for`."""
    height, width, channels = image_shape(model)
    chosen, why = _scale(model, scale, channels)
    pixels, size = _pixels(os.fspath(file), height, width, _MODES[channels])
    if invert:
        pixels[..., :3] = _DEEP - pixels[..., :3]
    shape = model.inputs[0].shape[1:]
    x = _scaled(pixels, chosen)
    x = x[None] if len(shape) == 3 else x.reshape(1, *(n or -1 for n in shape))
    return Prepared(x, pixels[..., :3] / _DEEP, size, chosen, why)


def image_shape(model: Model) -> tuple[int | None, int | None, int]:
    """Height, width and channels of the images that a model takes.

    Raises:
        ValueError: for one that takes something else, or several things.
    """
    given = one_input(model)
    shape = given[1:]
    if len(shape) == 3 and shape[2] in _MODES:
        return shape
    if len(shape) == 2 and None not in shape:
        return (*shape, 1)
    if len(shape) == 1:
        for channels in (1, 3):
            side = math.isqrt(shape[0] // channels)
            if channels * side * side == shape[0]:
                return side, side, channels
    raise ValueError(
        f"{model!r}: expected a model of images: (height, width, channels) with 1, 3 or 4 "
        f"channels, (height, width), or as many numbers as a square image has. Received: {given}"
    )


def one_input(model: Model) -> Any:
    """The shape of the input, with the batch.

    Raises:
        ValueError: for a model that has several, or does not know its shape yet.
    """
    given = model.input_shape  # says what is missing where it is not known
    if len(model.inputs) != 1:
        raise ValueError(
            f"{model!r}: expected a model with one input, an image. Received: one with "
            f"{len(model.inputs)}: {', '.join(model.input_names)}"
        )
    return given


def _pixels(file: Any, height: int | None, width: int | None, mode: str) -> tuple[Any, Pair]:
    """(H, W, channels) from 0 to 255 at the size that is wanted, and the file's own."""
    from tinyconv.data.images import img_to_array, load_img

    image = load_img(file, mode)
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    size = image.height, image.width
    share = min(1.0, _LARGEST / max(size))
    wanted = (height or max(1, round(share * size[0])), width or max(1, round(share * size[1])))
    deep = image.mode.startswith("I")  # 16 bits
    if deep:
        image = Image.fromarray(np.asarray(image, np.float32) / 257)
    if size != wanted:
        image = image.resize(wanted[::-1], Image.Resampling.BILINEAR)
    return img_to_array(image, dtype="float32"), size


def _scaled(pixels: np.ndarray, scale: str) -> np.ndarray:
    if scale == "imagenet":
        from tinyconv.applications.imagenet_utils import preprocess_input

        return np.asarray(preprocess_input(pixels))
    if scale == "0..255":
        return pixels
    return pixels / 255 if scale == "0..1" else pixels / 127.5 - 1


def _scale(model: Model, given: str | None, channels: int) -> tuple[str, str]:
    """The scale of the pixels, and where it is known from."""
    if given is not None:
        if given not in SCALES:
            raise ValueError(f"scale must be one of {', '.join(SCALES)}. Received: {given!r}")
        found, why = given, "as asked for"
    elif record := (model.input_record or expected_records(model))[0]:
        told = scale_of(record)
        span = f"{record.minimum:.4g} to {record.maximum:.4g}"
        if told is None:
            raise ValueError(
                f"{model!r}: it was trained on values from {span}, which is none of the scales "
                f"{', '.join(SCALES)}. Say which comes nearest (scale), or prepare the image "
                "yourself"
            )
        found, why = told, f"the model was trained on values from {span}"
    elif model.graph.steps and isinstance(model.graph.steps[0].layer, Rescaling):
        found, why = "0..255", "the model scales them itself"
    else:
        found = "0..1"
        why = "assumed: the model's file does not tell what it was trained on"
    if found == "imagenet" and channels != 3:
        raise ValueError(
            f"{model!r}: the scale 'imagenet' is for images of 3 channels. Received: {channels}"
        )
    return found, why


def scale_of(record: InputRecord) -> str | None:
    """The scale that the images of a training had, None if it is none of `SCALES`."""
    low, high = record.minimum, record.maximum
    if centred(record):
        return "imagenet"
    if -1 - _SLACK <= low < -0.5 and 0.5 < high <= 1 + _SLACK:
        return "-1..1"
    if low < -_SLACK:
        return None
    if high <= 1 + _SLACK:
        return "0..1"
    return "0..255" if high <= _DEEP * (1 + _SLACK) else None
