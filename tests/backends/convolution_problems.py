"""Convolutions for the tests of all algorithms; Winograd's are in winograd_problems.py."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from tests.strategies import Fill
from tinyconv.backends.numba.convolution.case import ConvCase
from tinyconv.geometry import Window, slide

HALVES = ((2, 2), (2, 2), "valid")  # the pool of a block


class Problem(NamedTuple):
    """Larger than what the rules of all backends are tested with: several tiles and panels."""

    window: Window
    groups: int
    batch: int
    channels: int
    filters: int

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of x, kernel and dz."""
        kernel = (*self.window.size, self.channels // self.groups, self.filters)
        N = self.batch
        return (
            (N, *self.window.input, self.channels), kernel, (N, *self.window.output, self.filters)
        )  # fmt: skip

    def case(self, dtype: str, operation: str) -> ConvCase:
        return ConvCase(
            self.batch, self.window, self.channels, self.filters, self.groups, np.dtype(dtype),
            operation,
        )  # fmt: skip


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Each algorithm finds enough it can do: one pixel and few channels are common."""

    def pair(*values: int) -> tuple[int, int]:
        return draw(st.sampled_from(values)), draw(st.sampled_from(values))

    size = draw(st.sampled_from([(1, 1), (3, 3), (2, 3), (5, 5), (7, 7)]))
    strides, dilation = pair(1, 1, 2, 3), pair(1, 1, 2)
    image = draw(st.integers(13, 31)), draw(st.integers(13, 31))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    return Problem(
        slide(image, size, strides, draw(st.sampled_from(["same", "valid"])), dilation),
        groups,
        batch=draw(st.integers(1, 3)),
        channels=groups * draw(st.sampled_from([1, 2, 3, 4, 9, 17])),
        filters=groups * draw(st.sampled_from([1, 5, 16, 33, 70])),
    )


def inputs(problem: Problem, fill: Fill, dtype: str) -> list[np.ndarray]:
    """x, kernel, dz and bias; contiguous, as the contract of the algorithms has it."""
    arrays = [fill(shape, dtype) for shape in (*problem.shapes, (problem.filters,))]
    return [np.ascontiguousarray(each) for each in arrays]
