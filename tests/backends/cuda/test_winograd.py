"""Winograd's convolution of the CUDA backend, on the host: the textbook's up to rounding."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.backends.convolution_problems import Problem, inputs
from tests.backends.cuda.test_convolution import DTYPES, compare
from tests.backends.test_winograd import problems
from tests.backends.test_winograd_epilogue import textbook_epilogue
from tests.strategies import Fill, fills
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.cuda.convolution import winograd
from tinyconv.backends.cuda.convolution.case import PLAIN, SHUT, Epilogue
from tinyconv.backends.cuda.convolution.winograd import F2, F4
from tinyconv.backends.cuda.device import Device
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import slide

textbook = NumpyBackend()
BOTH = pytest.mark.parametrize("algorithm", [F2, F4], ids=["F2", "F4"])


@pytest.fixture(scope="session")
def device(host: CudaBackend) -> Device:
    return host.device


def error(actual: np.ndarray, expected: np.ndarray) -> float:
    """Relative to the largest value, or to 1."""
    assert actual.shape == expected.shape
    return float(np.abs(actual - expected).max() / max(1.0, np.abs(expected).max()))


@BOTH
@settings(max_examples=15)
@given(problem=problems(), fill=fills(("normal", "sparse")), dtype=DTYPES)
def test_equals_the_textbook(device: Device, algorithm: Any, problem, fill: Fill, dtype: str):
    N, window, C, F = problem
    x, kernel, dz, _ = inputs(Problem(window, 1, N, C, F), fill, dtype)
    exact = [array.astype("float64") for array in (x, kernel, dz)]
    bound = winograd.ERROR[algorithm.m] if dtype == "float32" else 1e-13
    z, _ = algorithm.forward(device, x, kernel, window, 1, PLAIN)
    assert error(z, textbook.conv2d(exact[0], exact[1], window, 1)) <= bound
    dx = algorithm.input_gradient(device, dz, kernel, window, 1)
    assert error(dx, textbook.conv2d_input_gradient(exact[2], exact[1], window, 1)) <= bound
    dkernel = algorithm.kernel_gradient(device, x, dz, window, 1)
    assert error(dkernel, textbook.conv2d_kernel_gradient(exact[0], exact[2], window, 1)) <= bound
    assert z.dtype == dx.dtype == dkernel.dtype == dtype


@settings(max_examples=20)
@given(
    problem=problems(), seed=st.integers(0, 2**16), with_bias=st.booleans(),
    relu=st.booleans(), how=st.sampled_from(["", "pool", "codes"]), dtype=DTYPES,
)  # fmt: skip
def test_with_many_ties(device: Device, problem, seed, with_bias, relu, how, dtype):
    """F(2x2) of small integers is exact, so that maxima tie where they should."""
    N, window, C, F = problem
    fill = Fill(seed, values="ties")
    x, kernel, bias = (fill(s, dtype) for s in ((N, *window.input, C), (3, 3, C, F), (F,)))
    what = Epilogue(bias if with_bias else None, relu, how != "", how == "codes")
    y, codes = F2.forward(device, x, kernel, window, 1, what)
    expected, places = textbook_epilogue(x, kernel, window, what)
    np.testing.assert_array_equal(y, expected)
    if how == "codes":
        np.testing.assert_array_equal(codes, places)
    else:
        assert codes is None


@BOTH
def test_in_pieces(device: Device, algorithm: Any, monkeypatch: pytest.MonkeyPatch):
    """Tiles that do not fit the cache are done some at a time, with the same result."""
    problem = Problem(slide((14, 13), (3, 3), (1, 1), "same"), 1, 3, 9, 6)
    monkeypatch.setattr(winograd, "LEAST_TILES", 5)
    monkeypatch.setattr(winograd, "GRADIENT_BYTES", 20000)
    properties = device.properties._replace(l2_bytes=1)
    monkeypatch.setattr(device, "properties", properties)
    compare(algorithm, device, problem, Fill(0), "float64", 1e-12)


@BOTH
def test_what_large_tiles_pool(device: Device, algorithm: Any, dtype: str):
    """What F(4x4) pools is the four pixels' maximum, up to rounding."""
    window, fill = slide((11, 9), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel, bias = (fill(s, dtype) for s in ((2, 11, 9, 7), (3, 3, 7, 33), (33,)))
    what = Epilogue(bias, True, True, True)
    y, codes = algorithm.forward(device, x, kernel, window, 1, what)
    expected, _ = textbook_epilogue(x.astype("f8"), kernel.astype("f8"), window, what)
    assert np.abs(y - expected).max() <= (1e-4 if dtype == "float32" else 1e-12)
    np.testing.assert_array_equal(codes == SHUT, y <= 0)
