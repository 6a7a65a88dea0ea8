"""How far two results are apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

# Below this a value counts as rounding of zero, and errors are taken relative to it.
# Nothing that a case computes is meant to be this small: a result of a few 1e-12 is
# what is left of terms near 1 that cancelled in float64.
FLOOR = 1e-12


def relative_error(actual: Any, expected: Any, scale: float = 0.0) -> float:
    """max |actual - expected| / max |expected|, infinity where they cannot be compared.

    A tensor is measured by its largest value, because that is what rounding is proportional
    to when its elements are sums over the same data.

    Args:
        scale: size of the terms that were summed, where they cancel: a sum of terms near 1
            that is zero by design holds nothing but their rounding.

    Returns:
        0 for equal strings and integers, infinity for unequal ones, for other shapes and for
        NaN or infinity in other places.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape != expected.shape:
        return math.inf
    if expected.dtype.kind not in "f":
        return 0.0 if np.array_equal(actual, expected) else math.inf
    finite = np.isfinite(expected)
    if not np.array_equal(actual[~finite], expected[~finite], equal_nan=True):
        return math.inf
    if not np.isfinite(actual[finite]).all():
        return math.inf
    if not finite.any():
        return 0.0
    actual, expected = actual[finite].astype("float64"), expected[finite].astype("float64")
    largest = float(np.abs(expected).max())
    return float(np.abs(actual - expected).max()) / max(largest, scale, FLOOR)


def distance(a: Any, b: Any) -> float:
    """max |a - b|, 0 where they cannot be subtracted."""
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
        return 0.0
    return float(np.abs(a - b).max(initial=0.0))


def errors(
    actual: Mapping[str, Any],
    expected: Mapping[str, Any],
    scales: Mapping[str, float],
    floor: float = 0.0,
) -> dict[str, float]:
    """The relative error of every result; infinity for one that only one side has."""
    names = [*expected, *(name for name in actual if name not in expected)]
    return {
        name: relative_error(actual[name], expected[name], scales.get(name, floor))
        if name in actual and name in expected
        else math.inf
        for name in names
    }
