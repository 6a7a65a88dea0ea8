"""What a model was trained on, and a warning when it is asked about something else.

A network that learnt from pixels in 0..1 and is given a photograph in 0..255 answers
0.9999999, and nothing in that answer shows that it means nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.training.warn import warn_user

_PIXEL_MAXIMUM = 128  # values that start at 0 and pass this are pixels as they come from a file
_SAMPLES = 64  # looked at in an array, or as many more as ...
_VALUES = 1 << 18  # ... hold this many values
_BATCH_VALUES = 1 << 13  # looked at in each batch of a stream
_FAR = 8  # widths of the range beyond which a value is far outside it
_FRACTION = 0.01  # of the values, that may be outliers
_TINY = 128  # so many times smaller than the largest that was trained on
_NUMBERS = ("minimum", "maximum", "mean", "magnitude")
_MANY = 1000  # values that are not all positive by chance
_MARGIN = 8  # by which the largest may pass that in training
_LEVELS = 16  # distinct values of a picture that is not simply black


class InputScaleWarning(UserWarning):
    """Inputs are on another scale than a model needs, or than it was trained on."""


@dataclasses.dataclass
class InputRecord:
    """The values of one input in training.

    Attributes:
        minimum, maximum, mean: of the values.
        magnitude: mean of the absolute values.
        count: number of the values that were looked at.
        dtype: that they came in.
    """

    minimum: float
    maximum: float
    mean: float
    magnitude: float
    count: int
    dtype: str

    def add(self, x: Array) -> None:
        """Add a batch, of which some samples are looked at."""
        more = record_of(x, 1, _BATCH_VALUES)
        self.minimum = min(self.minimum, more.minimum)
        self.maximum = max(self.maximum, more.maximum)
        self.count += more.count
        share = more.count / self.count
        self.mean += share * (more.mean - self.mean)
        self.magnitude += share * (more.magnitude - self.magnitude)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, to be saved."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> InputRecord:
        """From what `to_dict` gave.

        Raises:
            ValueError: for anything else.
        """
        try:
            low, high, mean, magnitude = (float(values[name]) for name in _NUMBERS)
            record = cls(low, high, mean, magnitude, int(values["count"]), str(values["dtype"]))
            np.dtype(record.dtype)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"expected a record of a model's inputs. Received: {values!r}"
            ) from error
        if not all(math.isfinite(number) for number in (low, high, mean, magnitude)):
            raise ValueError(f"a record of a model's inputs must be finite. Received: {values!r}")
        return record


def record_of(x: Array, samples: int = _SAMPLES, values: int = _VALUES) -> InputRecord:
    """The record of an array, from samples spread over it.

    Args:
        samples: at least so many.
        values: as many more samples as hold this many values.
    """
    rows = spread(x, samples, values)
    return InputRecord(
        float(rows.min()),
        float(rows.max()),
        float(rows.mean(dtype="float64")),
        float(np.abs(rows).mean(dtype="float64")),
        int(rows.size),
        str(x.dtype),
    )


def spread(x: Array, samples: int = _SAMPLES, values: int = _VALUES) -> Array:
    """Some samples of (N, ...), evenly spread."""
    wanted = max(samples, values * len(x) // max(x.size, 1))
    return get_backend().to_numpy(x[:: max(len(x) // wanted, 1)])


# ---- warnings -------------------------------------------------------------------


def warn_if_unscaled(model: Any, records: Sequence[InputRecord], ranks: Sequence[int]) -> None:
    """One warning for images that are still 0..255."""
    for record, rank in zip(records, ranks, strict=True):
        low, high = record.minimum, record.maximum
        whole = np.dtype(record.dtype).kind in "iu"
        if rank >= 3 and ((whole and high > 1) or (low >= 0 and high > _PIXEL_MAXIMUM)):
            remedy = "divide by 255.0 first, or begin the model with Rescaling(1 / 255)"
            if any(getattr(layer, "input_record", None) for layer in model.layers):
                remedy = "prepare them first as the network inside was trained: preprocess_input"
            _warn(
                f"{model!r}: the images hold values from {low:g} to {high:g}. Networks learn "
                f"poorly from unscaled pixels: {remedy}"
            )
            return


def warn_if_foreign(model: Any, inputs: Sequence[Array]) -> None:
    """One warning a model for inputs that are clearly not on the scale it was trained on."""
    records = model.input_record
    if not records or model.told_of_input_scale or len(records) != len(inputs):
        return
    for record, x in zip(records, inputs, strict=True):
        remedy = foreign_scale(record, x)
        if remedy:
            model.told_of_input_scale = True
            _warn(
                f"{model!r}: the model was trained on values from {record.minimum:g} to "
                f"{record.maximum:g} (mean {record.mean:.3g}), and is asked about values from "
                f"{x.min():g} to {x.max():g}. Its answers mean nothing then: {remedy}"
            )
            return


def foreign_scale(record: InputRecord, x: Array) -> str | None:
    """What to do about inputs that are clearly of another scale; None if they are not.

    Too large: more than one value in a hundred lies 8 widths of the range or more outside of
    it. Too small: all values are 128 times smaller than the largest in training and 10 times
    smaller than its mean magnitude, and there are more than a few different ones (or it
    would be a black picture). Not centred: the pixels in training had their mean taken off,
    and of many values none is negative and some are too large. Anything between may be a dark
    picture, an outlier, other data.
    """
    rows = spread(x)
    width = record.maximum - record.minimum
    if not width:
        return None  # trained on a constant: no scale
    remedy = "prepare them as the training data were"
    if _centred(record):
        remedy += " (for VGG16 and ResNet50: preprocess_input)"
        too_large = record.maximum + _MARGIN < rows.max() <= 255
        if rows.size >= _MANY and rows.min() >= 0 and too_large:
            return remedy
    far = _FAR * width
    outside = (rows < record.minimum - far) | (rows > record.maximum + far)
    if outside.mean() > _FRACTION:
        pixels = rows.min() >= 0 and _PIXEL_MAXIMUM / 2 < rows.max() <= 255
        if pixels and record.minimum >= 0 and 0.5 < record.maximum <= 1:
            return "divide by 255"
        if pixels and -1 <= record.minimum < -0.5 and 0.5 < record.maximum <= 1:
            return "divide by 127.5 and subtract 1"
        return remedy
    largest = max(abs(float(rows.min())), abs(float(rows.max())))
    scale = max(abs(record.minimum), abs(record.maximum))
    if largest <= min(scale / _TINY, record.magnitude / 10) and len(np.unique(rows)) > _LEVELS:
        pixels = record.minimum >= 0 and _PIXEL_MAXIMUM < record.maximum <= 255
        if pixels and 1 / _TINY < largest <= 1 and rows.min() >= 0:
            return "multiply by 255, or leave out the division"
        return remedy
    return None


def _centred(record: InputRecord) -> bool:
    """Whether a model was trained on pixels less their mean."""
    width = record.maximum - record.minimum
    pixels = record.minimum < -_PIXEL_MAXIMUM / 4 and _PIXEL_MAXIMUM < width < 300
    return pixels and abs(record.mean) < record.magnitude / 2


def _warn(message: str) -> None:
    if config.input_scale_warnings():
        warn_user(message, InputScaleWarning)
