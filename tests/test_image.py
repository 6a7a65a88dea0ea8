"""`tinyconv.image.resize` against `tf.image.resize`."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tinyconv import image

SIDES = st.integers(1, 40)
SIZES = st.tuples(SIDES, SIDES)


def photograph(shape, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


@given(before=SIZES, after=SIZES, batch=st.none() | st.integers(1, 3), channels=st.integers(1, 4))
def test_bilinear_is_tensorflows(before, after, batch, channels):
    shape = (*before, channels) if batch is None else (batch, *before, channels)
    pixels = photograph(shape, "float32") / np.float32(255)
    resized = image.resize(pixels, after)
    np.testing.assert_allclose(resized, tf.image.resize(pixels, after), atol=1e-5)
    assert resized.dtype == np.float32


@given(before=SIZES, after=SIZES, dtype=st.sampled_from(["uint8", "float32", "int64", "float64"]))
def test_nearest_is_tensorflows(before, after, dtype):
    pixels = photograph((*before, 3), dtype)
    resized = image.resize(pixels, after, method="nearest")
    np.testing.assert_array_equal(resized, tf.image.resize(pixels, after, method="nearest"))
    assert resized.dtype == pixels.dtype


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float64"])
def test_bilinear_of_bytes_and_other_types(dtype):
    pixels = photograph((37, 53, 3), dtype)
    resized = image.resize(pixels, (21, 90))
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, tf.image.resize(pixels, (21, 90)), atol=1e-4)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize(
    ("before", "after"),
    [((499, 291), (100, 100)), ((1080, 1920), (224, 224)), ((7, 3), (500, 333))],
)
def test_sizes_of_real_photographs(before, after, method):
    pixels = photograph((*before, 3))
    expected = tf.image.resize(pixels, after, method=method).numpy().astype("float32")
    resized = image.resize(pixels, after, method=method).astype("float32")
    np.testing.assert_allclose(resized / 255, expected / 255, atol=1e-4)


def test_same_size_is_the_same_image():
    pixels = photograph((5, 4, 3))
    np.testing.assert_array_equal(image.resize(pixels, (5, 4)), pixels)
    np.testing.assert_array_equal(image.resize(pixels, (5, 4), "nearest"), pixels)


def test_a_ramp_by_hand():
    """Twice as wide: quarter steps between the centres, and the edges repeat."""
    ramp = np.array([0.0, 4.0, 8.0]).reshape(1, 3, 1)
    assert image.resize(ramp, (1, 6)).ravel().tolist() == [0, 1, 3, 5, 7, 8]
    assert image.resize(ramp, (1, 6), "nearest").ravel().tolist() == [0, 0, 4, 4, 8, 8]


def test_the_input_is_left_alone():
    pixels = photograph((6, 6, 3), "float32")
    kept = pixels.copy()
    image.resize(pixels, (3, 9))[...] = -1
    image.resize(pixels, (6, 6))[...] = -1
    np.testing.assert_array_equal(pixels, kept)


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((5, 5), {}, r"'resize': images must be .* Received: shape \(5, 5\)"),
        ((0, 5, 3), {}, "images must be"),
        ((5, 5, 3), {"size": 7}, r"size must be \(height, width\)\. Received: 7"),
        ((5, 5, 3), {"size": (0, 3)}, "size must be .* at least 1"),
        ((5, 5, 3), {"size": (2.5, 3)}, "size must be"),
        ((5, 5, 3), {"method": "bicubic"}, "method must be one of .* method='bicubic'"),
        ((5, 5, 3), {"antialias": True}, "antialias is not supported"),
        ((5, 5, 3), {"preserve_aspect_ratio": True}, "preserve_aspect_ratio is not supported"),
    ],
)
def test_bad_arguments_are_named(shape, arguments, message):
    with pytest.raises(ValueError, match=message):
        image.resize(np.zeros(shape), **{"size": (2, 2), **arguments})
    with pytest.raises(ValueError, match="dtype complex"):
        image.resize(np.zeros((2, 2, 1), complex), (2, 2))
