"""Activations, sums over rows, dropout, updates and batches at the edges of their kernels.

What they compute is tested with all backends; here are sizes that need several blocks,
shares and packs, memory that is not a multiple of 16 bytes, and what only this backend takes.
"""

import math

import numpy as np
import pytest

from tests.comparison import assert_close
from tests.strategies import Fill
from tinyconv.backends import load
from tinyconv.backends.base import Activation
from tinyconv.backends.cuda import CudaBackend

textbook = load("numpy")
RELU, LINEAR, GELU, SOFTMAX = (Activation(name) for name in ("relu", "linear", "gelu", "softmax"))


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> str:
    return request.param


def unaligned(values: np.ndarray) -> np.ndarray:
    """The same, one number after a multiple of 16 bytes."""
    memory = np.zeros(values.size + 1, values.dtype)
    view = memory[1:].reshape(values.shape)
    view[...] = values
    return view


@pytest.mark.parametrize("rows", [1, 3, 256, 20_000])
@pytest.mark.parametrize("channels", [1, 3, 4, 10, 64, 300, 1028])
@pytest.mark.parametrize("activation", [RELU, LINEAR, GELU], ids=lambda a: a.name)
def test_bias_gradients(
    host: CudaBackend, dtype: str, rows: int, channels: int, activation: Activation
):
    """Several tiles of channels, several shares of rows, and fewer of both than threads."""
    if rows * channels > 1_300_000:
        rows = 1_300_000 // channels
    fill = Fill(rows + channels)
    dy, saved = fill((rows, channels), dtype), fill((rows, channels), dtype)
    dz, dbias = host.activate_backward(dy, saved, activation, True)
    expected, sums = textbook.activate_backward(dy, saved, activation, True)
    assert_close(dz, expected, dtype)
    assert dbias is not None
    assert sums is not None
    assert dbias.shape == (channels,)
    assert_close(dbias, sums, dtype, scale=math.sqrt(rows))


def test_no_rows(host: CudaBackend, dtype: str):
    nothing = np.empty((0, 5), dtype)
    dz, dbias = host.activate_backward(nothing, nothing, RELU, True)
    assert dz.shape == (0, 5)
    np.testing.assert_array_equal(dbias, np.zeros(5))
    y, _ = host.activate(nothing, np.ones(5, dtype), RELU)
    assert y.shape == (0, 5)


@pytest.mark.parametrize("channels", [3, 8])
@pytest.mark.parametrize("activation", [RELU, GELU, SOFTMAX], ids=lambda a: a.name)
def test_memory_that_does_not_begin_at_16_bytes(
    host: CudaBackend, dtype: str, channels: int, activation: Activation
):
    fill = Fill(0)
    z, bias = fill((37, channels), dtype), fill((channels,), dtype)
    expected = textbook.activate(z, bias, activation)
    for arguments in ((unaligned(z), bias), (z, unaligned(bias)), (unaligned(z), unaligned(bias))):
        for result, value in zip(host.activate(*arguments, activation), expected, strict=True):
            assert_close(result, value, dtype)


@pytest.mark.parametrize("activation", [RELU, GELU, SOFTMAX, LINEAR], ids=lambda a: a.name)
def test_the_memory_of_the_input_may_be_used(host: CudaBackend, dtype: str, activation: Activation):
    """With `overwrite`: no other array of that size for y, or for z + bias where that is kept."""
    fill = Fill(1)
    z, bias = fill((33, 12), dtype), fill((12,), dtype)
    expected = textbook.activate(z, bias, activation)
    given = z.copy()
    results = host.activate(given, bias, activation, overwrite=True)
    assert any(np.shares_memory(result, given) for result in results)
    for result, value in zip(results, expected, strict=True):
        assert_close(result, value, dtype)


@pytest.mark.parametrize("width", [1, 2, 31, 33, 256, 1000])
def test_softmax_of_rows_of_any_width(host: CudaBackend, dtype: str, width: int):
    fill = Fill(width)
    z, dy = 5 * fill((3, width), dtype), fill((3, width), dtype)
    z[1, width // 2] = 1000  # without the maximum taken off it would overflow
    y, _ = host.activate(z, None, SOFTMAX)
    assert_close(y, textbook.activate(z, None, SOFTMAX)[0], dtype)
    dz, _ = host.activate_backward(dy, y, SOFTMAX, False)
    assert_close(dz, textbook.activate_backward(dy, y, SOFTMAX, False)[0], dtype)


# ---- dropout -----------------------------------------------------------------------------


def philox(counter: int, key: int) -> list[int]:
    """Philox4x32-10 with Python's integers (Salmon et al. 2011, figure 2)."""
    low = 0xFFFFFFFF
    a, b, c, d = counter & low, counter >> 32, 0, 0
    key_0, key_1 = key & low, key >> 32
    for _ in range(10):
        p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = q >> 32 ^ b ^ key_0, q & low, p >> 32 ^ d ^ key_1, p & low
        key_0, key_1 = key_0 + 0x9E3779B9 & low, key_1 + 0xBB67AE85 & low
    return [a, b, c, d]


def test_the_oracle_knows_the_published_numbers():
    """Random123's known answers for counter and key zero."""
    assert philox(0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


class Key:
    """A generator that draws this key."""

    def __init__(self, key: object) -> None:
        self.key = key

    def integers(self, *arguments: object, **options: object) -> object:
        return self.key


@pytest.mark.parametrize("size", [1, 3, 4, 5, 4099])
def test_masks_are_philox(host: CudaBackend, dtype: str, size: int):
    key, rate = 0x0123456789ABCDEF, 0.3
    y, kept = host.dropout(np.ones(size, dtype), rate, Key(np.uint64(key)))
    numbers = [number for counter in range(-(-size // 4)) for number in philox(counter, key)]
    expected = np.array(numbers[:size]) >= round(rate * 2**32)
    np.testing.assert_array_equal(kept, expected)
    assert_close(y, expected / 0.7, dtype)


def test_a_key_on_the_device_gives_the_same_mask(host: CudaBackend, dtype: str):
    """What a recorded step does, which reads another key each time."""
    x, key = Fill(0)((5, 7), dtype), 12345678901234567890
    expected = host.dropout(x, 0.5, Key(np.uint64(key)))
    for result, value in zip(
        host.dropout(x, 0.5, Key(np.array([key], np.uint64))), expected, strict=True
    ):
        np.testing.assert_array_equal(result, value)


# ---- updates -----------------------------------------------------------------------------

UPDATES = {
    "sgd": ("sgd_update", 1, (0.9, True)),
    "rmsprop": ("rmsprop_update", 3, (0.9, 0.5, 1e-2)),
    "adam": ("adam_update", 3, (0.9, 0.99, 1e-2)),
}


def updated(
    backend: object, name: str, size: int, dtype: str, step: object, lay_out=np.array
) -> list[np.ndarray]:
    """The buffers after three steps."""
    method, slots, numbers = UPDATES[name]
    fill = Fill(size)
    buffers = [
        lay_out(fill((size,), dtype)),
        *(lay_out(np.zeros(size, dtype)) for _ in range(slots)),
    ]
    for _ in range(3):
        getattr(backend, method)(
            buffers[0], lay_out(fill((size,), dtype)), *buffers[1:], step, *numbers
        )
    return buffers


@pytest.mark.parametrize("lay_out", [np.array, unaligned], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 4096, 10_003])
@pytest.mark.parametrize("name", UPDATES)
def test_updates_of_any_size(host: CudaBackend, dtype: str, name: str, size: int, lay_out):
    expected = updated(textbook, name, size, dtype, 0.1)
    results = updated(host, name, size, dtype, 0.1, lay_out)
    for result, value in zip(results, expected, strict=True):
        assert_close(result, value, dtype, scale=5)


@pytest.mark.parametrize("name", UPDATES)
def test_a_step_size_on_the_device(host: CudaBackend, dtype: str, name: str):
    """What a recorded step does, whose step size is another one each time."""
    expected = updated(host, name, 37, dtype, 0.1)
    for result, value in zip(
        updated(host, name, 37, dtype, np.array([0.1])), expected, strict=True
    ):
        np.testing.assert_array_equal(result, value)


@pytest.mark.parametrize("name", UPDATES)
def test_moments_that_vanish_become_zero(host: CudaBackend, name: str):
    """Before they are denormal, which processors are slow with."""
    method, slots, numbers = UPDATES[name]
    param, grad = np.ones(5, "float32"), np.zeros(5, "float32")
    moments = [np.full(5, 1e-30, "float32") for _ in range(slots)]
    getattr(host, method)(param, grad, *moments, 0.1, *numbers)
    moved = moments[:2] if name == "adam" else moments  # the largest so far stays
    for moment in moved:
        np.testing.assert_array_equal(moment, np.zeros(5))


# ---- batches -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9,), (9, 3), (9, 4), (9, 28, 28, 1), (9, 5, 5, 3)])
@pytest.mark.parametrize("stored", ["uint8", "float32", "float64"])
def test_batches(host: CudaBackend, dtype: str, shape: tuple[int, ...], stored: str):
    """By packs where rows divide by them, number by number elsewhere."""
    x = np.random.default_rng(0).uniform(0, 255, shape).astype(stored)
    rows = np.random.default_rng(1).integers(0, 9, 50)
    for data in (x, unaligned(x)):
        batch = host.gather(data, rows, dtype)
        assert batch.dtype == dtype
        np.testing.assert_array_equal(batch, x[rows].astype(dtype))
