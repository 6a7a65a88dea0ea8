"""What extreme inputs are, and how a result beside tf.keras' is judged."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from parity.data import generator

MAGNITUDES = (1e-42, 1e-38, 1e-30, 1e-20, 1e-10, 1.0, 1e10, 1e20)
BEYOND = (1e30, 3e38)  # where sums overflow, and the order of adding decides when
PATTERNS = ("normal", "constant", "negative", "one large", "alternating", "zeros", "minus zeros")
NOT_FINITE = ("nan", "inf", "-inf", "inf and -inf")

# Below it numbers are denormal, and TensorFlow takes them for 0, on either side of a kink.
DENORMAL = {"float32": 1e-37, "float64": 1e-300}
_TOLERANCE = {"float32": 1e-4, "float64": 1e-7}  # of functions with huge arguments


def fill(pattern: str, shape: tuple[int, ...], magnitude: float, dtype: str) -> np.ndarray:
    """An input of that kind; one not finite among many finite numbers, in the middle."""
    source = generator("extremes", pattern, shape)
    normal = source.standard_normal(shape)
    middle = tuple(size // 2 for size in shape)
    if pattern == "constant":
        values = np.full(shape, magnitude)
    elif pattern == "negative":
        values = -(0.5 + np.abs(normal)) * magnitude
    elif pattern == "one large":
        values = normal.copy()
        values[middle] = magnitude
    elif pattern == "alternating":
        values = np.where(np.arange(normal.size).reshape(shape) % 2, magnitude, -magnitude)
    elif pattern in ("zeros", "minus zeros"):
        values = np.full(shape, -0.0 if pattern == "minus zeros" else 0.0)
    else:
        values = normal * magnitude
    if pattern in NOT_FINITE:
        values[middle] = float(pattern.removeprefix("inf and "))
        if pattern == "inf and -inf":
            values[tuple(0 for _ in shape)] = np.inf
    with np.errstate(over="ignore"):
        return values.astype(dtype)


class Verdict(NamedTuple):
    """How many numbers of a result are what, beside tf.keras'.

    Attributes:
        lost: finite there, not here.
        hidden: not finite there, finite here.
        off: finite in both, and too far apart.
        error: the largest difference, relative to the largest number.
    """

    lost: int
    hidden: int
    off: int
    error: float


def verdict(ours: np.ndarray, theirs: np.ndarray, scale: float) -> Verdict:
    """`scale`: the size of the terms that a number is summed from, where they may cancel."""
    ours, theirs = np.atleast_1d(ours), np.atleast_1d(theirs)
    if ours.shape != theirs.shape:
        return Verdict(theirs.size, 0, theirs.size, np.inf)
    dtype = "float32" if theirs.dtype == np.float32 else "float64"
    here, there = np.isfinite(ours), np.isfinite(theirs)
    both = here & there
    if not both.any():
        return Verdict(int((there & ~here).sum()), int((here & ~there).sum()), 0, 0.0)
    a, b = ours[both].astype("float64"), theirs[both].astype("float64")
    reach = max(float(np.abs(b).max()), scale)
    distance = np.abs(a - b)
    off = distance > _TOLERANCE[dtype] * reach + DENORMAL[dtype]
    error = float(distance.max()) / (reach + DENORMAL[dtype] / _TOLERANCE[dtype])
    return Verdict(int((there & ~here).sum()), int((here & ~there).sum()), int(off.sum()), error)
