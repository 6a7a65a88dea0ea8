"""Arrays as a data set: checked once, then cut into batches."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array

Batch = tuple[Array, Array | None, Array | None]

_CHUNK = 4096  # samples looked at together, so that a check needs little memory
_PIXEL_MAXIMUM = 128  # values that start at 0 and pass this are pixels as they come from a file


class ArrayData:
    """Inputs, targets and weights of the same length.

    Args:
        owner: named in errors, the model.
        x: inputs (N, ...).
        y: targets (N, ...), or None for `predict`.
        sample_weight: (N,) factors of each sample's loss, or None.
        class_weight: {class: factor}, multiplied in; a class that is not named counts 1.
        batch_size: samples a batch; the last may be smaller.
        dtype: of the inputs' batches.

    Raises:
        TypeError: for things that are not arrays.
        ValueError: for no samples, unequal lengths, or NaN or infinity.
    """

    def __init__(
        self,
        owner: Any,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        batch_size: int | None = None,
        dtype: str = "float32",
    ) -> None:
        self.x = as_array(owner, x, "x")
        self.y = None if y is None else as_array(owner, y, "y")
        weights = None if sample_weight is None else as_array(owner, sample_weight, "sample_weight")
        self.batch_size = 32 if batch_size is None else batch_size
        check_count(owner, self.batch_size, "batch_size")
        for name, other in (("y", self.y), ("sample_weight", weights)):
            if other is not None and len(other) != len(self.x):
                raise ValueError(
                    f"{owner!r}: x and {name} must have the same length. "
                    f"Received: {len(self.x)} and {len(other)}"
                )
        # Class weights are for training alone: a validation split keeps the samples' own.
        self.own_weights = weights
        if class_weight is not None and self.y is not None:
            factors = _class_factors(owner, self.y, class_weight)
            weights = factors if weights is None else weights * factors
        self.weights, self.dtype = weights, dtype
        for name, values in (("x", self.x), ("y", self.y), ("sample_weight", weights)):
            if values is not None:
                check_finite(owner, values, name)

    def __len__(self) -> int:
        """Number of batches."""
        return -(-len(self.x) // self.batch_size)

    def split(self, owner: Any, fraction: float) -> tuple[ArrayData, ArrayData]:
        """Everything but the last `fraction` of the samples, and these.

        Raises:
            ValueError: if one of the two would be empty.
        """
        at = int(len(self.x) * (1 - fraction)) if 0 < fraction < 1 else 0
        if not 0 < at < len(self.x):
            raise ValueError(
                f"{owner!r}: validation_split must be between 0 and 1 and leave samples on both "
                f"sides. Received: {fraction} of {len(self.x)} samples"
            )
        training = self._part(slice(None, at), self.weights)
        return training, self._part(slice(at, None), self.own_weights)

    def _part(self, rows: slice, weights: Array | None) -> ArrayData:
        part = object.__new__(ArrayData)
        part.x, part.batch_size, part.dtype = self.x[rows], self.batch_size, self.dtype
        part.y = None if self.y is None else self.y[rows]
        part.weights = None if weights is None else weights[rows]
        return part

    def batches(self, order: Array | None = None) -> Iterator[Batch]:
        """Batches in the order of the samples, or in another (a permutation of their numbers)."""
        gather = get_backend().gather
        for start in range(0, len(self.x), self.batch_size):
            if order is None:
                rows: Any = slice(start, start + self.batch_size)
                x = get_backend().asarray(self.x[rows], self.dtype)
            else:
                rows = order[start : start + self.batch_size]
                x = gather(self.x, rows, self.dtype)
            y = None if self.y is None else self.y[rows]
            yield x, y, None if self.weights is None else self.weights[rows]

    def whole(self) -> Batch:
        """All samples as one batch."""
        return get_backend().asarray(self.x, self.dtype), self.y, self.weights

    def warn_if_unscaled(self, owner: Any) -> None:
        """One warning for images that are still 0..255."""
        if self.x.ndim < 3:
            return
        sample = self.x[: _CHUNK // 4]
        low, high = sample.min(), sample.max()
        whole = self.x.dtype.kind in "iu"
        if (whole and high > 1) or (low >= 0 and high > _PIXEL_MAXIMUM):
            warnings.warn(
                f"{owner!r}: the images hold values from {low:g} to {high:g}. Networks learn "
                "poorly from unscaled pixels: divide by 255.0 first, or begin the model with "
                "Rescaling(1 / 255)",
                stacklevel=3,
            )


def as_array(owner: Any, values: Any, name: str) -> Array:
    """A NumPy array with at least one sample.

    Raises:
        TypeError: for things that are not numbers.
        ValueError: for no samples.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{owner!r}: {name} must be an array of numbers. "
            f"Received: {type(values).__name__} of dtype {array.dtype}"
        )
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(
            f"{owner!r}: {name} must hold at least one sample. Received: shape {array.shape}"
        )
    return array


def check_count(owner: Any, value: Any, name: str, least: int = 1) -> None:
    """Raise ValueError unless `value` is an integer, at least `least`."""
    if not isinstance(value, (int, np.integer)) or value < least:
        wanted = "a positive integer" if least else "an integer >= 0"
        raise ValueError(f"{owner!r}: {name} must be {wanted}. Received: {value!r}")


def check_finite(owner: Any, x: Array, name: str) -> None:
    """Raise ValueError, with the place, if an array holds NaN or infinity."""
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), _CHUNK):
        chunk = x[start : start + _CHUNK]
        finite = np.isfinite(chunk)
        if not finite.all():
            place = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise ValueError(
                f"{owner!r}: {name} must hold finite numbers. "
                f"Received: {chunk[place]} in sample {start + place[0]} at {place[1:]}"
            )


def _class_factors(owner: Any, y: Array, class_weight: Mapping[int, float]) -> Array:
    """The factor of each sample's class."""
    if any(not isinstance(key, (int, np.integer)) for key in class_weight):
        raise ValueError(
            f"{owner!r}: class_weight must map integer classes to numbers. Received: {class_weight}"
        )
    labels = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    factors = np.ones(len(labels), "float32")
    for label, factor in class_weight.items():
        factors[labels == label] = factor
    return factors
