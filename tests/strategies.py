"""What the property tests draw: windows, convolutions, and arrays in awkward layouts.

Shapes are drawn (and shrunk) by hypothesis; values come from a drawn seed, because
a failure is understood by its shape and layout, seldom by its digits.
"""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from tinyconv.geometry import Pair, Window, slide

VALUES = ("normal", "ties", "sparse")
LAYOUTS = ("contiguous", "transposed", "stepped", "reversed")


def values_like(
    kind: str, shape: tuple[int, ...], dtype: type, generator: np.random.Generator
) -> np.ndarray:
    """Random values: "normal", small integers with many "ties", or "sparse" as after a ReLU."""
    if kind == "ties":
        return generator.integers(-2, 3, shape).astype(dtype)
    values = generator.standard_normal(shape)
    return (np.maximum(values, 0) if kind == "sparse" else values).astype(dtype)


def lay_out(values: np.ndarray, layout: str) -> np.ndarray:
    """The same values with other strides in memory.

    The memory between the elements of a "stepped" view is full of NaN, so that
    whoever reads it is found out.
    """
    if layout == "transposed":
        return np.ascontiguousarray(values.T).T
    if layout == "stepped":
        gap = np.nan if values.dtype.kind == "f" else 0
        spaced = np.full([2 * size for size in values.shape], gap, values.dtype)
        view = spaced[tuple(slice(None, None, 2) for _ in values.shape)]
        view[...] = values
        return view
    if layout == "reversed":
        backwards = tuple(slice(None, None, -1) for _ in values.shape)
        return np.ascontiguousarray(values[backwards])[backwards]
    return np.ascontiguousarray(values)


class Fill:
    """Makes the arrays of one example: fill(shape, dtype), each call with new values."""

    def __init__(self, seed: int, values: str = "normal", layout: str = "contiguous") -> None:
        self._parameters = f"seed={seed}, values={values!r}, layout={layout!r}"
        self._values, self._layout = values, layout
        self.generator = np.random.default_rng(seed)

    def __call__(self, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        return lay_out(values_like(self._values, shape, dtype, self.generator), self._layout)

    def index(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A random place in an array of that shape."""
        return tuple(int(self.generator.integers(size)) for size in shape)

    def __repr__(self) -> str:
        return f"Fill({self._parameters})"


def fills(values: tuple[str, ...] = ("normal",)) -> st.SearchStrategy[Fill]:
    return st.builds(Fill, st.integers(0, 2**16), st.sampled_from(values), st.sampled_from(LAYOUTS))


@st.composite
def windows(
    draw: st.DrawFn,
    dilations: tuple[int, ...] = (1,),
    paddings: tuple[str, ...] = ("valid", "same"),
) -> Window:
    """A window over an image of 1 to 7 pixels a side; "valid" turns "same" if it does not fit."""

    def pairs(values: st.SearchStrategy[int]) -> Pair:
        return draw(st.tuples(values, values))

    image, strides = pairs(st.integers(1, 7)), pairs(st.integers(1, 3))
    dilation = pairs(st.sampled_from(dilations))
    if paddings == ("valid",):
        largest = [(image[axis] - 1) // dilation[axis] + 1 for axis in (0, 1)]
        size = tuple(draw(st.integers(1, min(4, largest[axis]))) for axis in (0, 1))
        return slide(image, size, strides, "valid", dilation)
    size = pairs(st.integers(1, 4))
    fits = all((size[axis] - 1) * dilation[axis] < image[axis] for axis in (0, 1))
    return slide(
        image, size, strides, draw(st.sampled_from(paddings)) if fits else "same", dilation
    )


class Convolution(NamedTuple):
    """A window with the shapes of what takes part."""

    window: Window
    groups: int
    batch: int
    channels: int
    filters: int

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {
            "x": (self.batch, *self.window.input, self.channels),
            "kernel": (*self.window.size, self.channels // self.groups, self.filters),
            "dz": (self.batch, *self.window.output, self.filters),
        }


@st.composite
def convolutions(draw: st.DrawFn, paddings: tuple[str, ...] = ("valid", "same")) -> Convolution:
    """Up to 3 groups of up to 3 channels and 3 filters, batches of 1 and 2."""
    groups = draw(st.integers(1, 3))
    most = 3 if groups == 1 else 2
    return Convolution(
        draw(windows(dilations=(1, 2), paddings=paddings)),
        groups,
        batch=draw(st.integers(1, 2)),
        channels=groups * draw(st.integers(1, most)),
        filters=groups * draw(st.integers(1, most)),
    )


@st.composite
def images(draw: st.DrawFn, window: Window) -> tuple[int, int, int, int]:
    """The shape of a batch of images that `window` slides over."""
    return draw(st.integers(1, 2)), *window.input, draw(st.integers(1, 5))


def batches() -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of layer inputs: (N, C) and (N, H, W, C), batches of one among them."""
    return st.one_of(
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        st.tuples(*(st.integers(1, 4) for _ in range(4))),
    )
