"""Max and average pooling: look at the real pixels of each window, take one number."""

import math
from itertools import product

import numpy as np

from tests.reference.windows import pixels, positions
from tinyconv.geometry import Window


def max_pool(x: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The greatest pixel of each window and the number of its tap, k * KW + l.

    The first of equal maxima is taken. NaN counts as greater than any number, so
    that it is seen in the output.
    """
    N, C = x.shape[0], x.shape[3]
    y = np.zeros((N, *window.output, C))
    argmax = np.zeros(y.shape, int)
    for n, (i, j), c in product(range(N), positions(window), range(C)):
        best = None
        for k, l, row, col in pixels(window, i, j):
            value = float(x[n, row, col, c])
            if best is None or value > best or (math.isnan(value) and not math.isnan(best)):
                best, tap = value, k * window.size[1] + l
        y[n, i, j, c], argmax[n, i, j, c] = best, tap
    return y, argmax


def max_pool_backward(dy: np.ndarray, argmax: np.ndarray, window: Window) -> np.ndarray:
    """Each dy goes to the pixel that won."""
    dx = np.zeros((len(dy), *window.input, dy.shape[3]))
    for n, (i, j), c in product(range(len(dy)), positions(window), range(dy.shape[3])):
        for k, l, row, col in pixels(window, i, j):
            if k * window.size[1] + l == argmax[n, i, j, c]:
                dx[n, row, col, c] += float(dy[n, i, j, c])
    return dx


def average_pool(x: np.ndarray, window: Window) -> np.ndarray:
    """The mean of the real pixels of each window; padding is not counted."""
    N, C = x.shape[0], x.shape[3]
    y = np.zeros((N, *window.output, C))
    for n, (i, j), c in product(range(N), positions(window), range(C)):
        values = [float(x[n, row, col, c]) for _, _, row, col in pixels(window, i, j)]
        y[n, i, j, c] = sum(values) / len(values)
    return y


def average_pool_backward(dy: np.ndarray, window: Window) -> np.ndarray:
    """Each dy is shared equally among the real pixels of its window."""
    dx = np.zeros((len(dy), *window.input, dy.shape[3]))
    for n, (i, j), c in product(range(len(dy)), positions(window), range(dy.shape[3])):
        seen = list(pixels(window, i, j))
        for _, _, row, col in seen:
            dx[n, row, col, c] += float(dy[n, i, j, c]) / len(seen)
    return dx
