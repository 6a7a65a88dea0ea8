"""Convolution, its two gradients, im2col and col2im against the naive loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import reference
from tests.backends.calling import call
from tests.comparison import assert_close
from tests.strategies import Convolution, Fill, convolutions, fills, windows
from tinyconv.backends.base import Backend
from tinyconv.geometry import Window, slide

OPERATIONS = pytest.mark.parametrize(
    ("operation", "first", "second"),
    [
        ("conv2d", "x", "kernel"),
        ("conv2d_input_gradient", "dz", "kernel"),
        ("conv2d_kernel_gradient", "x", "dz"),
    ],
)


@OPERATIONS
@given(problem=convolutions(), fill=fills())
def test_convolution(
    backend: Backend, dtype: str, operation: str, first: str, second: str,
    problem: Convolution, fill: Fill,
):  # fmt: skip
    arguments = fill(problem.shapes[first], dtype), fill(problem.shapes[second], dtype)
    result = call(backend, operation, *arguments, problem.window, problem.groups)
    expected = getattr(reference, operation)(*arguments, problem.window, problem.groups)
    assert_close(result, expected, dtype, scale=10)


@OPERATIONS
@given(problem=convolutions(), fill=fills(), value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_one_bad_pixel_spoils_what_it_should_and_no_more(
    backend: Backend, dtype: str, operation: str, first: str, second: str,
    problem: Convolution, fill: Fill, value: float,
):  # fmt: skip
    arguments = fill(problem.shapes[first], dtype), fill(problem.shapes[second], dtype)
    arguments[0][fill.index(arguments[0].shape)] = value
    with np.errstate(invalid="ignore"):  # BLAS computes on lanes that it throws away
        result = call(backend, operation, *arguments, problem.window, problem.groups)
    expected = getattr(reference, operation)(*arguments, problem.window, problem.groups)
    assert_close(result, expected, dtype, scale=10)


@OPERATIONS
@given(problem=convolutions(paddings=("valid",)), fill=fills())
def test_one_bad_weight_spoils_what_it_should_and_no_more(
    backend: Backend, dtype: str, operation: str, first: str, second: str,
    problem: Convolution, fill: Fill,
):  # fmt: skip
    # Without padding only: whether NaN times a zero of the padding is NaN is left open.
    arguments = fill(problem.shapes[first], dtype), fill(problem.shapes[second], dtype)
    bad = fill.index(arguments[1].shape)
    arguments[1][bad] = np.nan
    result = call(backend, operation, *arguments, problem.window, problem.groups)
    expected = getattr(reference, operation)(*arguments, problem.window, problem.groups)
    if second == "kernel" and first == "dz":
        # And as a convolution of dz this has padding: pixels at the edge, of the weight's channel.
        group = bad[3] // (problem.filters // problem.groups)
        channel = expected[..., group * problem.channels // problem.groups + bad[2]]
        channel[np.isnan(result[..., group * problem.channels // problem.groups + bad[2]])] = np.nan
    assert_close(result, expected, dtype, scale=10)


@given(window=windows(dilations=(1, 2)), channels=st.integers(1, 4), fill=fills())
def test_im2col(backend: Backend, dtype: str, window: Window, channels: int, fill: Fill):
    x = fill((2, *window.input, channels), dtype)
    columns = call(backend, "im2col", x, window)
    expected = reference.im2col(x, window)
    np.testing.assert_array_equal(columns, expected)  # copies: equal to the last bit
    assert columns.dtype == dtype


@given(window=windows(dilations=(1, 2)), channels=st.integers(1, 4), fill=fills())
def test_col2im(backend: Backend, dtype: str, window: Window, channels: int, fill: Fill):
    (OH, OW), (KH, KW) = window.output, window.size
    columns = fill((2 * OH * OW, KH * KW * channels), dtype)
    columns[fill.index(columns.shape)] = np.nan
    x = call(backend, "col2im", columns, window)
    assert_close(x, reference.col2im(columns, window), dtype, scale=10)


@pytest.mark.parametrize("padding", [((1, 0), (0, 2)), ((3, 3), (4, 4))])
@pytest.mark.parametrize("operation", ["im2col", "conv2d"])
def test_explicit_padding(backend: Backend, dtype: str, operation: str, padding):
    """A window resolved by hand: more at the beginning, or whole windows in the padding."""
    (top, bottom), (left, right) = padding
    output = 4 + top + bottom - 2, 4 + left + right - 2
    window = Window((3, 3), (1, 1), (1, 1), padding, (4, 4), output)
    fill = Fill(0)
    x = fill((2, 4, 4, 2), dtype)
    arguments = (x, window) if operation == "im2col" else (x, fill((3, 3, 2, 3), dtype), window, 1)
    result = call(backend, operation, *arguments)
    assert_close(result, getattr(reference, operation)(*arguments), dtype, scale=10)


def test_pixels_that_no_window_sees_get_no_gradient(backend: Backend, dtype: str):
    window = slide((6, 7), (2, 2), (3, 3), "valid")
    dx = call(
        backend, "conv2d_input_gradient", np.ones((2, 2, 2, 3), dtype),
        np.ones((2, 2, 4, 3), dtype), window, 1,
    )  # fmt: skip
    assert (dx[:, 2] == 0).all()
    assert (dx[:, 5] == 0).all()
    assert (dx[:, :, [2, 5, 6]] == 0).all()
    assert (dx[:, [0, 1, 3, 4]][:, :, [0, 1, 3, 4]] == 3).all()


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_groups_do_not_mix(backend: Backend, dtype: str, groups: int):
    """A pixel in one channel moves the filters of its own group only."""
    window, fill = slide((4, 4), (3, 3), (1, 1), "same"), Fill(0)
    kernel = fill((3, 3, 6 // groups, 12), dtype)
    for channel in range(6):
        x = np.zeros((1, 4, 4, 6), dtype)
        x[..., channel] = 1
        moved = call(backend, "conv2d", x, kernel, window, groups).any(axis=(0, 1, 2))
        group = channel // (6 // groups)
        own = [f // (12 // groups) == group for f in range(12)]
        assert moved.tolist() == own
