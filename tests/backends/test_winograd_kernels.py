"""Winograd's transformed kernels: kept while they stay as they are, and no longer."""

import gc

import numpy as np
import pytest

from tests.backends.winograd_problems import EXACT, error, textbook
from tests.strategies import Fill
from tinyconv.backends.base import Activation
from tinyconv.backends.numba import NumbaBackend
from tinyconv.backends.numba.convolution import winograd_kernels
from tinyconv.backends.numba.convolution.case import PLAIN
from tinyconv.backends.numba.convolution.winograd import F2, F4
from tinyconv.geometry import slide


@pytest.fixture
def transforms(monkeypatch):
    """How often a kernel was transformed, as a list that grows; nothing is kept before."""
    calls, transform = [], winograd_kernels.transform

    def counted(*arguments, **named):
        calls.append(arguments)
        return transform(*arguments, **named)

    monkeypatch.setattr(winograd_kernels, "transform", counted)
    winograd_kernels._kept.clear()
    return calls


def test_a_kernel_that_stays_is_transformed_twice(transforms):
    window, fill = slide((6, 6), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((1, 6, 6, 20), "float32"), fill((3, 3, 20, 40), "float32")
    results = []
    for _ in range(4):
        results.append(F4.forward(x, kernel, window, 1, PLAIN)[0])
    assert len(transforms) == 2  # kept from the second time on
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
    assert winograd_kernels.kept_bytes() >= 36 * 20 * 40 * 4


def test_a_changed_kernel_is_noticed(transforms):
    window, fill = slide((6, 6), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((1, 6, 6, 20), "float32"), fill((3, 3, 20, 40), "float32")
    for _ in range(3):
        before = F4.forward(x, kernel, window, 1, PLAIN)[0]
    kernel *= -1  # in place, as an optimizer does
    after = F4.forward(x, kernel, window, 1, PLAIN)[0]
    np.testing.assert_array_equal(after, -before)
    assert winograd_kernels.kept_bytes() == 0  # what changes is not kept


def test_sizes_are_kept_apart_and_nothing_is_for_gradients(transforms):
    window, fill = slide((6, 6), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((1, 6, 6, 24), "float64"), fill((3, 3, 24, 24), "float64")
    for _ in range(3):
        for algorithm in (F2, F4):
            y = algorithm.forward(x, kernel, window, 1, PLAIN)[0]
            dx = algorithm.input_gradient(x, kernel, window, 1)
            assert error(y, textbook.conv2d(x, kernel, window, 1)) <= EXACT
            assert error(dx, textbook.conv2d_input_gradient(x, kernel, window, 1)) <= EXACT
    assert len(transforms) == 2 * (2 + 3)


def test_nothing_is_kept_of_a_kernel_in_training(transforms, monkeypatch):
    window, fill = slide((6, 6), (3, 3), (1, 1), "same"), Fill(0)
    x, kernel = fill((1, 6, 6, 20), "float32"), fill((3, 3, 20, 40), "float32")
    function, backend = Activation("relu"), NumbaBackend(conv="winograd_4x4")

    def block(keep):
        return backend.conv_block(x, kernel, None, window, 1, function, None, keep)[0]

    predicted = [block(keep=False) for _ in range(3)]
    assert len(transforms) == 2
    assert winograd_kernels.kept_bytes() > 0
    monkeypatch.setattr(winograd_kernels, "fingerprint", None)  # not needed either
    np.testing.assert_array_equal(block(keep=True), predicted[0])
    assert len(transforms) == 3
    assert not winograd_kernels._kept, "memory for what the optimizer is about to change"


def test_what_is_kept_goes_with_its_kernel(transforms):
    kernel = Fill(0)((3, 3, 20, 40), "float32")
    for _ in range(2):
        winograd_kernels.transformed(kernel, 4, keep=True)
    assert winograd_kernels.kept_bytes() > 0
    del kernel
    transforms.clear()  # it holds the arguments
    gc.collect()
    assert winograd_kernels.kept_bytes() == 0
    assert not winograd_kernels._kept


def test_no_more_is_kept_than_allowed(transforms, monkeypatch):
    kernels = [Fill(seed)((3, 3, 20, 40), "float32") for seed in range(4)]
    size = winograd_kernels.transform(kernels[0], 2, exchanged=False).nbytes
    monkeypatch.setattr(winograd_kernels, "KEPT_BYTES", 2 * size)
    for kernel in kernels:
        for _ in range(2):
            winograd_kernels.transformed(kernel, 2, keep=True)
    assert winograd_kernels.kept_bytes() == 2 * size
    transforms.clear()
    for kernel in kernels[:1:-1]:  # those used last
        winograd_kernels.transformed(kernel, 2, keep=True)
    assert not transforms
