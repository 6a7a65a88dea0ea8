"""Convolutions for the tests of Winograd's algorithms, and how far off a result is."""

import numpy as np
import pytest
from hypothesis import strategies as st

from tinyconv.backends.numba.convolution.case import PLAIN
from tinyconv.backends.numba.convolution.winograd import F2, F4, Winograd
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import Window

BOTH = pytest.mark.parametrize("algorithm", [F2, F4], ids=["F2", "F4"])
textbook = NumpyBackend()

# How much of the largest value float64 may differ by; float32's bounds are winograd.ERROR.
EXACT = 1e-13


@st.composite
def problems(draw: st.DrawFn):
    """A 3x3 window over up to 14 x 14 pixels, anything but square, with the shapes around it."""
    image = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    pads = st.tuples(st.integers(0, 4), st.integers(0, 4))
    padding = draw(st.tuples(pads, pads))
    output = tuple(max(1, n + sum(p) - 2) for n, p in zip(image, padding, strict=True))
    padding = tuple(p if n + sum(p) >= 3 else (1, 1) for n, p in zip(image, padding, strict=True))
    window = Window((3, 3), (1, 1), (1, 1), padding, image, output)
    channels, filters = draw(st.integers(1, 40)), draw(st.integers(1, 70))
    return draw(st.integers(1, 3)), window, channels, filters


def run(algorithm: Winograd, operation: str, first, second, window: Window):
    if operation == "conv2d":
        return algorithm.forward(first, second, window, 1, PLAIN)[0]
    name = {"conv2d_input_gradient": "input_gradient", "conv2d_kernel_gradient": "kernel_gradient"}
    return getattr(algorithm, name[operation])(first, second, window, 1)


def shapes(N: int, window: Window, C: int, F: int) -> dict[str, tuple]:
    x, kernel, dz = (N, *window.input, C), (3, 3, C, F), (N, *window.output, F)
    return {
        "conv2d": (x, kernel),
        "conv2d_input_gradient": (dz, kernel),
        "conv2d_kernel_gradient": (x, dz),
    }


def error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the largest value."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / max(np.abs(expected).max(), 1e-30))


OPERATIONS = pytest.mark.parametrize(
    "operation", ["conv2d", "conv2d_input_gradient", "conv2d_kernel_gradient"]
)
