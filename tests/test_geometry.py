"""Size arithmetic against counting, and against TensorFlow's documented rules."""

from itertools import product

import numpy as np
import pytest

from tinyconv.geometry import (
    Window,
    integer,
    output_size,
    pair,
    same_padding,
    slide,
    slide_length,
)

AXES = list(product(range(1, 10), range(1, 6), range(1, 5), range(1, 4)))


def count_positions(length: int, size: int, stride: int, dilation: int) -> int:
    """Move the window along the axis, a stride at a time, while its last tap is inside."""
    positions, start = 0, 0
    while start + (size - 1) * dilation < length:
        positions, start = positions + 1, start + stride
    return positions


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, (3, 3)), ((2, 5), (2, 5)), ([2, 5], (2, 5)), ((4,), (4, 4)), (np.int64(7), (7, 7))],
)
def test_pair(value, expected):
    result = pair(value, "strides", "layer")
    assert result == expected
    assert [type(number) for number in result] == [int, int]


@pytest.mark.parametrize(
    "value", [0, -1, (1, 0), (1, 2, 3), (), "3", "33", 1.0, (1, 2.5), None, True, (2, True)]
)
def test_pair_names_what_it_refuses(value):
    with pytest.raises(ValueError, match="strides must be an integer or a pair") as error:
        pair(value, "strides", "layer")
    assert str(error.value).startswith("'layer': ")
    assert f"Received: {value!r}" in str(error.value)


@pytest.mark.parametrize("value", [0, -1, (1,), "3", 1.0, None, True])
def test_integer_names_what_it_refuses(value):
    with pytest.raises(ValueError, match="'layer': units must be a positive integer") as error:
        integer(value, "units", "layer")
    assert f"Received: {value!r}" in str(error.value)


def test_integer():
    assert [integer(value, "units", "layer") for value in (1, np.int64(7))] == [1, 7]


def test_pair_minimum():
    assert pair((0, 2), "padding", "layer", minimum=0) == (0, 2)
    with pytest.raises(ValueError, match="each at least 2"):
        pair((1, 2), "size", "layer", minimum=2)


def test_output_size_is_what_counting_gives():
    for length, size, stride, dilation in AXES:
        for pad in (0, 1, 2):
            counted = count_positions(length + pad, size, stride, dilation)
            computed = output_size(length, size, stride, dilation, pad)
            assert max(computed, 0) == counted, (length, size, stride, dilation, pad)


def test_same_padding_is_the_least_that_lets_every_window_fit():
    for length, size, stride, dilation in AXES:
        before, after = same_padding(length, size, stride, dilation)
        positions = int(np.ceil(length / stride))
        total = before + after
        assert count_positions(length + total, size, stride, dilation) == positions
        assert after - before in (0, 1), "the odd zero goes to the end"
        if total:
            assert count_positions(length + total - 1, size, stride, dilation) < positions


@pytest.mark.parametrize(
    ("length", "size", "stride", "dilation", "expected"),
    [  # length, size, stride, dilation as tf.nn.conv2d(padding="SAME") pads them
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),
        (5, 4, 1, 1, (1, 2)),
        (224, 7, 2, 1, (2, 3)),  # ResNet's first convolution
        (225, 7, 2, 1, (3, 3)),
        (6, 3, 2, 1, (0, 1)),
        (7, 3, 2, 1, (1, 1)),
        (6, 2, 2, 1, (0, 0)),
        (5, 1, 3, 1, (0, 0)),
        (5, 3, 1, 2, (2, 2)),
        (1, 5, 1, 1, (2, 2)),
    ],
)
def test_same_padding_as_tensorflow(length, size, stride, dilation, expected):
    assert same_padding(length, size, stride, dilation) == expected


def test_slide_keeps_rows_and_columns_apart():
    assert slide((6, 9), (3, 2), (2, 1), "same", (1, 3)) == Window(
        (3, 2), (2, 1), (1, 3), ((0, 1), (1, 2)), (6, 9), (3, 9)
    )
    assert slide((6, 9), (3, 2), (2, 1), "valid", (1, 3)) == Window(
        (3, 2), (2, 1), (1, 3), ((0, 0), (0, 0)), (6, 9), (2, 6)
    )


@pytest.mark.parametrize(("image", "size"), [((2, 9), (3, 3)), ((9, 2), (3, 3)), ((2, 2), (3, 1))])
def test_slide_refuses_a_window_larger_than_the_image(image, size):
    message = f"{size[0]} x {size[1]} pixels is larger than the input of {image[0]} x {image[1]}"
    with pytest.raises(ValueError, match=message):
        slide(image, size, (1, 1), "valid")


def test_slide_counts_dilation_into_the_extent():
    assert slide((5, 5), (3, 3), (1, 1), "valid", (2, 2)).output == (1, 1)
    with pytest.raises(ValueError, match="5 x 7 pixels"):
        slide((5, 5), (3, 3), (1, 1), "valid", (2, 3))


def test_slide_length_agrees_with_slide():
    for (length, size, stride, dilation), padding in product(AXES, ("valid", "same")):
        if (size - 1) * dilation < length or padding == "same":
            window = slide((length, 99), (size, 1), (stride, 1), padding, (dilation, 1))
            assert slide_length(length, size, stride, padding, dilation) == window.output[0]
    assert slide_length(None, 3, 1, "same") is None
