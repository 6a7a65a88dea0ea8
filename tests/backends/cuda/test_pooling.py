"""Pooling kernels: packs of channels, large windows, and what is fused with the maximum.

That they compute the right thing on ordinary arguments is checked by the tests of all backends.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.comparison import assert_close
from tests.strategies import Fill, fills, windows
from tinyconv.backends.cuda import CudaBackend
from tinyconv.backends.numpy import NumpyBackend
from tinyconv.geometry import Window, slide

textbook = NumpyBackend()
CHANNELS = st.sampled_from([1, 2, 3, 4, 8, 12])


def compare(host: CudaBackend, x: np.ndarray, window: Window, fill: Fill) -> None:
    """All four operations of pooling on one window."""
    y, argmax = host.max_pool(x, window)
    expected, places = textbook.max_pool(x, window)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(argmax, places)
    dy = fill(y.shape, x.dtype)
    wanted = textbook.max_pool_backward(dy, places, window)
    assert_close(host.max_pool_backward(dy, argmax, window), wanted, x.dtype, scale=5)
    mean = textbook.average_pool(x, window)
    assert_close(host.average_pool(x, window), mean, x.dtype)
    wanted = textbook.average_pool_backward(dy, window)
    assert_close(host.average_pool_backward(dy, window), wanted, x.dtype)


@given(window=windows(), batch=st.integers(1, 3), channels=CHANNELS, fill=fills(("ties",)))
def test_packs_of_channels(
    host: CudaBackend, dtype: str, window: Window, batch: int, channels: int, fill: Fill
):
    """Channels that fill 16 bytes, and some that do not."""
    x = fill((batch, *window.input, channels), dtype)
    x[fill.index(x.shape)] = fill.generator.choice([np.nan, np.inf, -np.inf, 0])
    with np.errstate(invalid="ignore"):
        compare(host, x, window, fill)


def test_more_elements_than_threads(host: CudaBackend, dtype: str):
    """The grid goes round several times."""
    fill, window = Fill(0), slide((27, 29), (3, 2), (2, 2), "same")
    compare(host, fill((6, 27, 29, 16), dtype), window, fill)


@pytest.mark.parametrize(
    ("shape", "size", "strides", "padding"),
    [
        ((2, 5, 6, 1030), (3, 3), (1, 2), "same"),  # more channels than threads
        ((1, 2, 300, 1), (2, 2), (2, 2), "valid"),  # more pixels
        ((40, 9, 2, 3), (2, 1), (3, 2), "valid"),  # more rows, and gaps between the windows
        ((70, 3, 1, 1), (3, 1), (3, 1), "same"),  # more rows of one number than a block takes
    ],
)
def test_rows_of_the_way_back(host: CudaBackend, dtype: str, shape, size, strides, padding):
    fill = Fill(4)
    compare(host, fill(shape, dtype), slide(shape[1:3], size, strides, padding), fill)


def test_a_start_that_is_no_multiple_of_16_bytes(host: CudaBackend, dtype: str):
    fill, window = Fill(1), slide((6, 6), (2, 2), (2, 2), "valid")
    flat = fill((2 * 6 * 6 * 4 + 1,), dtype)
    x = flat[1:].reshape(2, 6, 6, 4)
    assert host.device.lanes(4, x) == 1
    compare(host, x, window, fill)


def test_a_window_of_more_taps_than_a_byte_counts(host: CudaBackend, dtype: str):
    fill = Fill(2)
    for channels in (3, 4):
        compare(
            host,
            fill((2, 18, 17, channels), dtype),
            slide((18, 17), (18, 17), (1, 1), "valid"),
            fill,
        )
        compare(
            host, fill((1, 40, 9, channels), dtype), slide((40, 9), (33, 9), (3, 2), "same"), fill
        )


def test_arrays_that_do_not_fit_the_window(host: CudaBackend, dtype: str):
    """Kernels check nothing: they would read beyond the array."""
    window, fill = slide((6, 6), (2, 2), (2, 2), "valid"), Fill(3)
    x, dy, places = (
        fill((2, 5, 6, 3), dtype),
        fill((2, 3, 3, 3), dtype),
        np.zeros((2, 3, 3, 2), int),
    )
    for operation in ("max_pool", "average_pool"):
        with pytest.raises(
            ValueError, match=r"x of shape \(2, 6, 6, 3\).*Received: .*\(2, 5, 6, 3\)"
        ):
            getattr(host, operation)(x, window)
    with pytest.raises(ValueError, match=r"argmax of shape \(2, 3, 3, 3\).*\(2, 3, 3, 2\)"):
        host.max_pool_backward(dy, places, window)
    with pytest.raises(ValueError, match=r"dy of shape \(2, 3, 3, 3\).*\(2, 2, 3, 3\)"):
        host.average_pool_backward(dy[:, 1:], window)
