"""All size arithmetic: how a window slides over an image.

Nothing else in the project computes an output size or a padding. Sizes are
counted in pixels, pairs are always (height, width).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

Pair = tuple[int, int]
Shape = tuple[int | None, ...]


class Window(NamedTuple):
    """A window (a kernel or a pool) sliding over an image of known size.

    Attributes:
        size: window extent (KH, KW) in taps, before dilation.
        strides: step between neighbouring windows (SH, SW).
        dilation: distance between neighbouring taps (DH, DW).
        padding: zeros around the image ((top, bottom), (left, right)).
        input: image size (H, W).
        output: number of window positions (OH, OW).
    """

    size: Pair
    strides: Pair
    dilation: Pair
    padding: tuple[Pair, Pair]
    input: Pair
    output: Pair


def integer(value: Any, name: str, owner: Any, minimum: int = 1) -> int:
    """An integer of at least `minimum`, 0 or 1.

    Raises:
        ValueError: naming the owner, a layer say, and the argument, if it is anything else.
    """
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < minimum:
        wanted = "a positive integer" if minimum else "an integer >= 0"
        raise ValueError(f"{owner!r}: {name} must be {wanted}. Received: {value!r}")
    return number


def pair(value: Any, name: str, owner: Any, minimum: int = 1) -> Pair:
    """Turn an int or a pair of ints into (height, width).

    Raises:
        ValueError: naming owner and argument, if it is not one or two integers >= `minimum`.
    """
    items = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    try:
        numbers = tuple(operator.index(item) for item in items)
    except TypeError:
        numbers = ()
    if len(numbers) == 1:
        numbers *= 2
    if len(numbers) != 2 or min(numbers) < minimum or any(isinstance(i, bool) for i in items):
        raise ValueError(
            f"{owner!r}: {name} must be an integer or a pair of integers, each at least "
            f"{minimum}. Received: {value!r}"
        )
    return numbers[0], numbers[1]


def fits(shape: Shape, expected: Shape) -> bool:
    """Whether two shapes agree wherever both are known (not None)."""
    return len(shape) == len(expected) and all(
        None in (n, want) or n == want for n, want in zip(shape, expected, strict=True)
    )


def checked_shape(shape: Any, owner: str) -> Shape:
    """A shape without the batch, as a tuple.

    Raises:
        ValueError: unless it is a tuple of positive integers or None.
    """
    given = shape
    try:
        shape = tuple(shape)
        fine = all(n is None or (int(n) == n and n > 0) for n in shape)
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise ValueError(
            f"{owner}: input_shape must be a tuple of positive integers or None, without the "
            f"batch. Received: {given!r}"
        )
    return tuple(n if n is None else int(n) for n in shape)


def output_size(length: int, size: int, stride: int, dilation: int, pad: int) -> int:
    """Number of positions of a window along one axis (zero or less: it does not fit).

    With the dilated extent e = (size - 1) * dilation + 1 it is
    (length + pad - e) // stride + 1 (Dumoulin & Visin 2016, relationship 6 and 15).
    """
    extent = (size - 1) * dilation + 1
    return (length + pad - extent) // stride + 1


def same_padding(length: int, size: int, stride: int, dilation: int) -> Pair:
    """Zeros (before, after) along one axis so that ceil(length / stride) windows fit.

    As in TensorFlow the odd zero goes to the end, and the amount depends on the
    stride: a stride of 2 over an even length needs one zero less than over an odd.
    """
    extent = (size - 1) * dilation + 1
    positions = -(-length // stride)
    total = max((positions - 1) * stride + extent - length, 0)
    return total // 2, total - total // 2


@functools.lru_cache(1024)
def slide(image: Pair, size: Pair, strides: Pair, padding: str, dilation: Pair = (1, 1)) -> Window:
    """Resolve "valid" or "same" padding for one image size.

    Raises:
        ValueError: if the window does not fit in the image.
    """
    if padding == "same":
        rows, cols = (
            same_padding(image[axis], size[axis], strides[axis], dilation[axis]) for axis in (0, 1)
        )
    else:
        rows = cols = (0, 0)
    output = tuple(
        output_size(image[axis], size[axis], strides[axis], dilation[axis], sum(pads))
        for axis, pads in enumerate((rows, cols))
    )
    if min(output) < 1:
        extent = tuple((size[axis] - 1) * dilation[axis] + 1 for axis in (0, 1))
        raise ValueError(
            f"the window of {extent[0]} x {extent[1]} pixels is larger than the input of "
            f"{image[0]} x {image[1]} pixels; use padding='same', a smaller window "
            "or a larger image"
        )
    return Window(size, strides, dilation, (rows, cols), image, (output[0], output[1]))


def slide_length(
    length: int | None, size: int, stride: int, padding: str, dilation: int = 1
) -> int | None:
    """Output length of one axis, None where the input length is still unknown."""
    if length is None:
        return None
    pad = sum(same_padding(length, size, stride, dilation)) if padding == "same" else 0
    return output_size(length, size, stride, dilation, pad)
