"""Convolutions with the vectors of another CPU, against the textbook.

test_other_vectors.py runs this file where the environment names that CPU, which has to be so
before anybody imports numba.
"""

import os

import pytest

from tests.backends import convolution_problems, winograd_problems
from tests.backends.convolution_problems import HALVES, Problem
from tests.backends.winograd_problems import BOTH, OPERATIONS, error
from tests.comparison import assert_close
from tests.strategies import Fill
from tinyconv.backends import load
from tinyconv.backends.base import Activation
from tinyconv.backends.numba import microkernel
from tinyconv.backends.numba.convolution import implicit_gemm, winograd
from tinyconv.geometry import slide

textbook = load("numpy")


def test_these_are_the_vectors():
    assert microkernel.VECTOR.name == os.environ["TINYCONV_TEST_VECTOR"]


@pytest.mark.parametrize("channels", [1, 3, 19])
@pytest.mark.parametrize(("size", "strides"), [((3, 3), (1, 1)), ((5, 3), (2, 3))])
def test_implicit_gemm(channels, size, strides):
    window = slide((9, 22), size, strides, "same")
    problem = Problem(window, 1, 2, channels, 37)
    x, kernel, dz, bias = convolution_problems.inputs(problem, Fill(0), "float32")
    how = window, 1, Activation("relu"), slide(window.output, *HALVES), True
    y, expected = (
        backend.conv_block(x, kernel, bias, *how)[0]
        for backend in (load("numba", "implicit_gemm"), textbook)
    )
    assert_close(y, expected, "float32", scale=10)
    dx = implicit_gemm.input_gradient(dz, kernel, window, 1)
    expected = textbook.conv2d_input_gradient(dz, kernel, window, 1)
    assert_close(dx, expected, "float32", scale=10)
    dkernel = implicit_gemm.kernel_gradient(x, dz, window, 1)
    expected = textbook.conv2d_kernel_gradient(x, dz, window, 1)
    assert_close(dkernel, expected, "float32", scale=10)


@BOTH
@OPERATIONS
def test_winograd(algorithm, operation):
    window, fill = slide((7, 9), (3, 3), (1, 1), "same"), Fill(0)
    shapes = winograd_problems.shapes(2, window, 19, 37)[operation]
    arguments = [fill(shape, "float32") for shape in shapes]
    expected = getattr(textbook, operation)(*(x.astype("float64") for x in arguments), window, 1)
    result = winograd_problems.run(algorithm, operation, *arguments, window)
    assert error(result, expected) <= winograd.ERROR[algorithm.m]
