"""Winograd's convolution against the textbook: equal but for rounding, and that is bounded.

What follows it has a file of its own, test_winograd_epilogue.py, and so have the kernels that
are kept, test_winograd_kernels.py.
"""

import numpy as np
import pytest
from hypothesis import given

from tests.backends.winograd_problems import (
    BOTH,
    EXACT,
    OPERATIONS,
    error,
    problems,
    run,
    shapes,
    textbook,
)
from tests.strategies import Fill, fills
from tinyconv.backends.numba.convolution import winograd
from tinyconv.backends.numba.convolution.case import PLAIN, ConvCase, Epilogue
from tinyconv.backends.numba.convolution.winograd import F2, F4
from tinyconv.geometry import slide


@BOTH
@OPERATIONS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(problem=problems(), fill=fills(("normal", "sparse")))
def test_equals_the_textbook(algorithm, operation, dtype, problem, fill):
    arguments = [fill(shape, dtype) for shape in shapes(*problem)[operation]]
    window = problem[1]
    result = run(algorithm, operation, *arguments, window)
    exact = [argument.astype(np.float64) for argument in arguments]
    expected = getattr(textbook, operation)(*exact, window, 1)
    assert result.dtype == dtype
    # One product alone may be 0 or cancel; so may a few. Errors are measured by what was added.
    scale = max(1.0, 1 / max(np.abs(expected).max(), 1e-30))
    bound = winograd.ERROR[algorithm.m] if dtype == "float32" else EXACT
    assert error(result, expected) <= bound * scale


@BOTH
@OPERATIONS
@pytest.mark.parametrize("channels", [1, 33, 512])
def test_rounding_in_float32_stays_below_the_bound(algorithm, operation, channels):
    for seed in range(3):
        fill = Fill(seed, values="sparse" if seed == 2 else "normal")
        N, window, F = 2, slide((13 + seed, 12), (3, 3), (1, 1), "same"), 64
        arguments = [fill(shape, "float32") for shape in shapes(N, window, channels, F)[operation]]
        exact = [argument.astype(np.float64) for argument in arguments]
        expected = getattr(textbook, operation)(*exact, window, 1)
        assert (
            error(run(algorithm, operation, *arguments, window), expected)
            <= (winograd.ERROR[algorithm.m])
        )


# ---- threads ---------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("image", [(5, 6), (21, 30)])
def test_any_number_of_threads(algorithm, image, monkeypatch):
    """Threads take tiles, and slices of the filters where there are few tiles."""
    window, fill = slide(image, (3, 3), (1, 1), "same"), Fill(0)
    x, kernel, dz = (
        fill(s, "float32") for s in ((2, *image, 18), (3, 3, 18, 150), (2, *image, 150))
    )
    results = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(winograd, "thread_count", lambda threads=threads: threads)
        results.append(
            (
                algorithm.forward(x, kernel, window, 1, PLAIN)[0],
                algorithm.input_gradient(dz, kernel, window, 1),
                algorithm.kernel_gradient(x, dz, window, 1),
            )
        )
        again = algorithm.kernel_gradient(x, dz, window, 1)
        np.testing.assert_array_equal(again, results[-1][2])  # to the last bit
    for y, dx, dkernel in results[1:]:
        np.testing.assert_array_equal(y, results[0][0])
        np.testing.assert_array_equal(dx, results[0][1])
        assert error(dkernel, results[0][2]) <= winograd.ERROR[algorithm.m]


@BOTH
def test_sums_of_a_large_kernel_are_bounded(algorithm, monkeypatch):
    """With little memory for sums over the tiles, threads share the filters instead."""
    window, fill = slide((30, 30), (3, 3), (1, 1), "same"), Fill(0)
    x, dz = fill((1, 30, 30, 18), "float64"), fill((1, 30, 30, 150), "float64")
    expected = textbook.conv2d_kernel_gradient(x, dz, window, 1)
    monkeypatch.setattr(winograd, "thread_count", lambda: 4)
    monkeypatch.setattr(winograd, "SUM_BYTES", 1)
    monkeypatch.setattr(winograd, "GRADIENT_BYTES", 1)  # and short blocks
    assert error(algorithm.kernel_gradient(x, dz, window, 1), expected) <= EXACT


@BOTH
def test_no_images(algorithm):
    window = slide((9, 7), (3, 3), (1, 1), "same")
    x, kernel = np.ones((0, 9, 7, 5), "float32"), np.ones((3, 3, 5, 35), "float32")
    y, codes = algorithm.forward(x, kernel, window, 1, Epilogue(None, True, True, True))
    assert y.shape == codes.shape == (0, 4, 3, 35)
    dz = np.ones((0, 9, 7, 35), "float32")
    assert algorithm.input_gradient(dz, kernel, window, 1).shape == x.shape
    assert not algorithm.kernel_gradient(x, dz, window, 1).any()


# ---- when ------------------------------------------------------------------------


def case(batch=1, image=(8, 8), channels=64, filters=64, groups=1, operation="forward", **window):
    size, strides = window.get("size", (3, 3)), window.get("strides", (1, 1))
    slid = slide(image, size, strides, "same", window.get("dilation", (1, 1)))
    return ConvCase(batch, slid, channels, filters, groups, np.dtype("float32"), operation)


@BOTH
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"image": (1, 1)}, None),
        ({"size": (5, 5)}, "5x5 window"),
        ({"size": (3, 1)}, "3x1 window"),
        ({"strides": (1, 2)}, "stride"),
        ({"dilation": (2, 1)}, "dilated"),
        ({"groups": 2}, "groups"),
    ],
)
def test_reasons_against(algorithm, changes, reason):
    answer = algorithm.reason_against(case(**changes))
    assert answer is None if reason is None else reason in answer


def test_small_images_get_small_tiles():
    assert winograd.best(case(32, (14, 14))) is F4
    assert winograd.best(case(1, (40, 40))) is F4
    assert winograd.best(case(1, (10, 10))) is F2
    assert winograd.best(case(64, (2, 2))) is F2
    assert winograd.best(case(64, (2, 2), operation="dx")) is F2
