"""How a window slides: the one loop that convolution and pooling share."""

from collections.abc import Iterator
from itertools import product

from tinyconv.geometry import Window


def positions(window: Window) -> Iterator[tuple[int, int]]:
    """Every place (i, j) the window stops at: output row i, output column j."""
    return product(range(window.output[0]), range(window.output[1]))


def pixels(window: Window, i: int, j: int) -> Iterator[tuple[int, int, int, int]]:
    """The pixels (row, col) under the taps (k, l) of window (i, j), as (k, l, row, col).

    The first tap of the first window lies on the first row of the padding above
    the image, `top` rows before row 0. Taps on padding see no pixel and are left out.

        padding:  . . x x x x .        one row of 4 pixels, 2 zeros before and 1 after
        window 0: k=0 1 2              sees row = i * stride + k * dilation - top
        window 1:     k=0 1 2          (stride 2, dilation 1: rows 0, 1, 2)
    """
    (top, _), (left, _) = window.padding
    for k, l in product(range(window.size[0]), range(window.size[1])):
        row = i * window.strides[0] + k * window.dilation[0] - top
        col = j * window.strides[1] + l * window.dilation[1] - left
        if 0 <= row < window.input[0] and 0 <= col < window.input[1]:
            yield k, l, row, col
