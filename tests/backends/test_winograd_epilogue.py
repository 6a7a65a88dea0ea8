"""Bias, ReLU and pooling within Winograd's convolution, and how far NaN and infinity reach."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends.winograd_problems import BOTH, problems, textbook
from tests.strategies import Fill
from tinyconv.backends.numba.convolution.case import SHUT, Epilogue
from tinyconv.backends.numba.convolution.winograd import F2, F4
from tinyconv.geometry import Window, slide


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(
    problem=problems(),
    seed=st.integers(0, 2**16),
    with_bias=st.booleans(),
    relu=st.booleans(),
    how=st.sampled_from(["", "pool", "codes"]),
)
def test_epilogue_with_many_ties(dtype, problem, seed, with_bias, relu, how):
    """F(2x2) of small integers is exact, so that maxima tie where they should."""
    N, window, C, F = problem
    fill = Fill(seed, values="ties")
    x, kernel = fill((N, *window.input, C), dtype), fill((3, 3, C, F), dtype)
    bias = fill((F,), dtype) if with_bias else None
    epilogue = Epilogue(bias, relu, how != "", how == "codes")
    y, codes = F2.forward(x, kernel, window, 1, epilogue)
    expected, expected_codes = textbook_epilogue(x, kernel, window, epilogue)
    np.testing.assert_array_equal(y, expected)
    if how == "codes":
        np.testing.assert_array_equal(codes, expected_codes)
    else:
        assert codes is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(problem=problems(), seed=st.integers(0, 2**16), relu=st.booleans())
def test_epilogue_of_large_tiles(dtype, problem, seed, relu):
    N, window, C, F = problem
    fill = Fill(seed)
    x, kernel, bias = (fill(s, dtype) for s in ((N, *window.input, C), (3, 3, C, F), (F,)))
    exact = x.astype(np.float64), kernel.astype(np.float64)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    for pool, codes in ((False, False), (True, False), (True, True)):
        epilogue = Epilogue(bias, relu, pool, codes)
        y, taps = F4.forward(x, kernel, window, 1, epilogue)
        expected, _ = textbook_epilogue(*exact, window, epilogue)
        np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
        assert (taps is None) is not codes
    if relu:
        np.testing.assert_array_equal(taps == SHUT, y <= 0)
    # Where several are equal, which one is taken is up to rounding.
    values = four(textbook.conv2d(*exact, window, 1) + bias)
    taken = np.take_along_axis(values, np.minimum(taps, 3)[..., None].astype(int), -1)[..., 0]
    np.testing.assert_allclose(taken[taps < SHUT], y[taps < SHUT], rtol=0, atol=tolerance)


def textbook_epilogue(x, kernel, window: Window, epilogue: Epilogue):
    """y and codes as case.py defines them, from the textbook's convolution."""
    a = textbook.conv2d(x, kernel, window, 1)
    a = a if epilogue.bias is None else a + epilogue.bias
    a = np.maximum(a, 0) if epilogue.relu else a
    if not epilogue.pool:
        return a, None
    y, codes = four(a).max(axis=-1), four(a).argmax(axis=-1)
    return y, np.where(~(y > 0), SHUT, codes) if epilogue.relu else codes


def four(a: np.ndarray) -> np.ndarray:
    """The four pixels of each 2x2 window: (N, H, W, C) -> (N, H // 2, W // 2, C, 4)."""
    N, H, W, C = a.shape
    a = a[:, : H // 2 * 2, : W // 2 * 2].reshape(N, H // 2, 2, W // 2, 2, C)
    return a.transpose(0, 1, 3, 5, 2, 4).reshape(N, H // 2, W // 2, C, 4)


# ---- NaN and infinity ----------------------------------------------------------


@BOTH
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("pool", [False, True])
def test_a_bad_pixel_spoils_its_outputs_and_no_tile_beyond(algorithm, value, pool):
    window, fill = slide((15, 14), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((2, 15, 14, 5), "float32"), fill((3, 3, 5, 37), "float32")
    epilogue = Epilogue(None, True, pool, pool)
    good, good_codes = algorithm.forward(x, kernel, window, 1, epilogue)
    h, w = 6, 9
    x[1, h, w, 3] = value
    bad, codes = algorithm.forward(x, kernel, window, 1, epilogue)
    with np.errstate(invalid="ignore"):
        expected, _ = textbook_epilogue(x, kernel, window, epilogue)
    assert np.isnan(bad[np.isnan(expected)]).all()
    assert not np.isfinite(bad[~np.isfinite(expected)]).any()
    if np.isnan(value) and pool:  # shut, as in the textbook
        assert (codes[np.isnan(bad)] == SHUT).all()
    size, m = (2 if pool else 1), algorithm.m
    reach = np.zeros(good.shape, bool)  # the tiles with an output next to the pixel
    first = (h - 1) // m * m // size, (w - 1) // m * m // size
    last = ((h + 1) // m + 1) * m // size, ((w + 1) // m + 1) * m // size
    reach[1, first[0] : last[0], first[1] : last[1]] = True
    np.testing.assert_array_equal(bad[~reach], good[~reach])
    if pool:
        np.testing.assert_array_equal(codes[~reach], good_codes[~reach])


@BOTH
def test_a_bad_weight_spoils_its_filter_and_no_other(algorithm):
    window, fill = slide((9, 7), (3, 3), (1, 1), "valid"), Fill(0)
    x, kernel = fill((1, 9, 7, 5), "float32"), fill((3, 3, 5, 35), "float32")
    kernel[1, 2, 3, 33] = np.nan
    y, _ = algorithm.forward(x, kernel, window, 1, Epilogue(None, True))
    assert np.isnan(y[..., 33]).all()
    assert np.isfinite(np.delete(y, 33, axis=3)).all()
    dx = algorithm.input_gradient(fill((1, 7, 5, 35), "float32"), kernel, window, 1)
    assert np.isnan(dx[:, 1:8, 2:7, 3]).all()
    assert np.isfinite(np.delete(dx, 3, axis=3)).all()


@BOTH
def test_a_bad_gradient_spoils_its_filter_and_no_other(algorithm):
    window, fill = slide((9, 7), (3, 3), (1, 1), "valid"), Fill(0)
    x, dz = fill((2, 9, 7, 5), "float32"), fill((2, 7, 5, 35), "float32")
    dz[1, 4, 4, 33] = np.nan
    dkernel = algorithm.kernel_gradient(x, dz, window, 1)
    assert np.isnan(dkernel[..., 33]).all()
    assert np.isfinite(np.delete(dkernel, 33, axis=3)).all()
