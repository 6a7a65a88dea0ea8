"""Several arrays made one, element by element."""

from collections.abc import Sequence

import numpy as np


def add(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """y = x_1 + x_2 + ...; an axis of length 1 is read again and again."""
    shape = [max(lengths) for lengths in zip(*(x.shape for x in arrays), strict=True)]
    y = np.zeros(shape)
    for index in np.ndindex(*shape):
        for x in arrays:
            y[index] += x[tuple(min(i, n - 1) for i, n in zip(index, x.shape, strict=True))]
    return y


def concatenate(arrays: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """One array behind the other along the axis."""
    shape = list(arrays[0].shape)
    shape[axis] = sum(x.shape[axis] for x in arrays)
    y, start = np.zeros(shape), 0
    for x in arrays:
        for index in np.ndindex(*x.shape):
            place = list(index)
            place[axis] += start
            y[tuple(place)] = x[index]
        start += x.shape[axis]
    return y
