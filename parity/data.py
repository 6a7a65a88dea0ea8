"""The numbers that cases compute with: the same for both libraries, drawn from fixed seeds."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def generator(*key: Any) -> np.random.Generator:
    """A generator of its own for each key, the same in every run."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def draw(kind: str, shape: tuple[int, ...], *key: Any) -> Array:
    """Values of a kind, float64.

    normal    standard normal
    negative  below zero, so that a zero of the padding would win any maximum
    ties      integers from -2 to 2: many equal values, and many exact zeros
    counts    integers from 0 to 9, some of which are the ceiling of ReLU6
    constant  all equal
    sparse    normal, negative ones set to 0, as after a ReLU
    pixels    uniform in 0..1
    large     normal, a thousand times as large, around a mean of a thousand
    """
    source = generator("draw", kind, shape, *key)
    normal = source.standard_normal(shape)
    values = {
        "normal": lambda: normal,
        "negative": lambda: -0.1 - np.abs(normal),
        "ties": lambda: np.round(normal).clip(-2, 2),
        "counts": lambda: source.integers(0, 10, shape).astype(float),
        "constant": lambda: np.full(shape, 0.75),
        "sparse": lambda: np.maximum(normal, 0),
        "pixels": lambda: source.random(shape),
        "large": lambda: 1000 + 1000 * normal,
    }
    return np.asarray(values[kind]())


def weight_values(name: str, shape: tuple[int, ...], *key: Any) -> Array:
    """Values for a parameter or a statistic: no zeros and ones where an error could hide."""
    normal = generator("weight", name, shape, *key).standard_normal(shape)
    if name == "moving_variance":
        return np.asarray(0.5 + normal**2)
    if name == "kernel":  # outputs about as large as inputs, however many are summed
        return np.asarray(normal / math.sqrt(math.prod(shape[:-1])))
    return np.asarray(normal)
