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


def expected_records(model: Any) -> list[InputRecord | None]:
    """For each input: what the pretrained layers that take it were trained on, if that is known.

    These are a model inside this one, or the layers of one that this one was drawn from.
    """
    found = []
    for tensor in model.inputs:
        record = getattr(tensor.node.layer, "expects", None)
        takers = [
            (node.layer, index)
            for node in model.calls
            for index, each in enumerate(node.inputs)
            if each is tensor and hasattr(node.layer, "calls")
        ]
        for inner, index in takers:
            record = record or (inner.input_record or expected_records(inner))[index]
        found.append(record)
    return found


def warn_if_unscaled(model: Any, records: Sequence[InputRecord], ranks: Sequence[int]) -> None:
    """One warning for images that are still 0..255, where no pretrained layers want them so."""
    expected = expected_records(model)
    for record, rank, known in zip(records, ranks, expected, strict=True):
        if known is not None:
            continue
        low, high = record.minimum, record.maximum
        whole = np.dtype(record.dtype).kind in "iu"
        if rank >= 3 and ((whole and high > 1) or (low >= 0 and high > _PIXEL_MAXIMUM)):
            _warn(
                f"{model!r}: the images hold values from {low:g} to {high:g}. Networks learn "
                "poorly from unscaled pixels: divide by 255.0 first, or begin the model with "
                "Rescaling(1 / 255)"
            )
            return


def warn_if_foreign(model: Any, inputs: Sequence[Array]) -> None:
    """One warning a model for inputs that are clearly not on the scale it was trained on."""
    if model.told_of_input_scale:
        return
    if model.input_record:
        told = _foreign(model.input_record, inputs, "the model was", "is asked about")
        meaning = "Its answers mean nothing then"
    else:
        told = _of_pretrained(model, inputs)
        meaning = "Their features mean little then"
    if told:
        model.told_of_input_scale = True
        _warn(f"{model!r}: {told[0]}. {meaning}: {told[1]}")


def warn_if_unprepared(model: Any, inputs: Sequence[Array]) -> None:
    """A warning for what is to be trained on, if it is not as pretrained layers need it."""
    told = _of_pretrained(model, inputs)
    if told:
        _warn(f"{model!r}: {told[0]}. Their features mean little then: {told[1]}")


def _of_pretrained(model: Any, inputs: Sequence[Array]) -> tuple[str, str] | None:
    return _foreign(expected_records(model), inputs, "its pretrained layers were", "are given")


def _foreign(
    records: Sequence[InputRecord | None], inputs: Sequence[Array], who: str, given: str
) -> tuple[str, str] | None:
    """What is wrong with the first input of another scale, and what to do about it."""
    for record, x in zip(records, inputs, strict=False):
        remedy = None if record is None else foreign_scale(record, x)
        if record is not None and remedy is not None:
            fact = (
                f"{who} trained on values from {record.minimum:g} to {record.maximum:g} (mean "
                f"{record.mean:.3g}), and {given} values from {float(x.min()):g} "
                f"to {float(x.max()):g}"
            )
            return fact, remedy
    return None


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
    if centred(record):
        remedy += " (for VGG16 and ResNet50: preprocess_input of pixels from 0 to 255)"
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


def centred(record: InputRecord) -> bool:
    """Whether a model was trained on pixels less their mean."""
    width = record.maximum - record.minimum
    pixels = record.minimum < -_PIXEL_MAXIMUM / 4 and _PIXEL_MAXIMUM < width < 300
    return pixels and abs(record.mean) < record.magnitude / 2


def _warn(message: str) -> None:
    if config.input_scale_warnings():
        warn_user(message, InputScaleWarning)
