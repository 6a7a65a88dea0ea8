"""Layers that make one of several: Add and Concatenate."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import LINEAR, Array
from tinyconv.geometry import Shape
from tinyconv.layers.base import Cache, Gradients, Layer


class Merge(Layer):
    """A layer that is called on a list of inputs, and whose backward returns a list of dx."""

    steady = True

    def check_shape(self, shape: Any) -> None:
        """A list of shapes of one rank that fit each other."""
        if not isinstance(shape, list) or not shape:
            raise ValueError(f"{self!r}: expected a list of inputs. Received: {shape!r}")
        for each in shape:
            super().check_shape(each)
        if len({len(each) for each in shape}) > 1:
            raise self._unequal(shape)
        self.compute_output_shape(shape)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """Shape of the output for a list of shapes; ValueError if they do not fit."""
        raise TypeError(f"{self!r} defines no compute_output_shape(shapes)")

    def prepare(self, x: Any) -> Any:
        """The inputs as arrays of this layer's dtype, their shapes checked."""
        if not isinstance(x, (list, tuple)):
            raise ValueError(f"{self!r}: expected a list of inputs. Received: {type(x).__name__}")
        arrays = [self.cast(each) for each in x]
        self.ensure_built([each.shape for each in arrays])
        return arrays

    def _unequal(self, shapes: list[Shape]) -> ValueError:
        return ValueError(
            f"{self!r}: expected {self.axes}. Received: shapes {[tuple(each) for each in shapes]}"
        )


class Add(Merge):
    """y = x_1 + x_2 + ... + x_n.

    An axis of length 1 is repeated to the length of the others'.

    Shapes: a list of (N, ...) -> (N, ...). Raises ValueError for shapes that do not fit.
    """

    axes = "inputs of one shape (or of length 1 along an axis)"

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The longest along each axis; None where that is unknown."""
        shape = []
        for lengths in zip(*input_shape, strict=True):
            known = {n for n in lengths if n not in (None, 1)}
            if len(known) > 1:
                raise self._unequal(input_shape)
            shape.append(known.pop() if known else None if None in lengths else 1)
        return tuple(shape)

    def forward(self, x: Any, training: bool = False) -> tuple[Array, Cache]:
        """y = the sum of all inputs."""
        y, *others = arrays = self.prepare(x)
        for each in others:
            y, _ = get_backend().add_block(y, each, LINEAR, keep=False)
        return y, Cache(self, y.shape, shapes=[each.shape for each in arrays])

    def backward(self, dy: Array, cache: Cache) -> tuple[Any, Gradients]:
        """dx_i = dy, summed over the axes along which x_i was repeated."""
        dy = self.check_backward(dy, cache)
        return [sum_to(dy, shape) for shape in cache.shapes], {}


class Concatenate(Merge):
    """The inputs one behind the other along an axis.

    Args:
        axis: the axis to join along, the last unless given; not that of the batch.

    Shapes: a list of (..., C_i) -> (..., sum of C_i). Raises ValueError for shapes that
    differ along another axis.
    """

    axes = "inputs that differ along the joined axis alone"
    config_keys = ("axis",)

    def __init__(self, axis: int = -1, **base: Any) -> None:
        super().__init__(**base)
        if isinstance(axis, bool) or not isinstance(axis, int) or axis == 0:
            raise ValueError(
                f"{self!r}: axis must be an integer other than 0, the batch. Received: {axis!r}"
            )
        self.axis = axis

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """The lengths along the axis added up; None if one of them is unknown."""
        rank = len(input_shape[0])
        if not -rank < self.axis < rank:
            raise ValueError(
                f"{self!r}: axis must be one of the {rank} axes of the inputs, and not the batch. "
                f"Received: axis={self.axis}"
            )
        axis, shape = self.axis % rank, []
        for number, lengths in enumerate(zip(*input_shape, strict=True)):
            known = {n for n in lengths if n is not None}
            if number == axis:
                shape.append(None if None in lengths else sum(lengths))
            elif len(known) > 1:
                raise self._unequal(input_shape)
            else:
                shape.append(known.pop() if known else None)
        return tuple(shape)

    def forward(self, x: Any, training: bool = False) -> tuple[Array, Cache]:
        """y = [x_1, x_2, ...] along the axis."""
        arrays = self.prepare(x)
        y = get_backend().xp.concatenate(arrays, axis=self.axis)
        return y, Cache(self, y.shape, shapes=[each.shape for each in arrays])

    def backward(self, dy: Array, cache: Cache) -> tuple[Any, Gradients]:
        """dx_i = the part of dy that x_i became."""
        dy, parts, start = self.check_backward(dy, cache), [], 0
        for shape in cache.shapes:
            place: list[Any] = [slice(None)] * dy.ndim
            place[self.axis] = slice(start, start := start + shape[self.axis])
            parts.append(dy[tuple(place)])
        return parts, {}


def add(inputs: list[Any], **base: Any) -> Any:
    """`Add(**base)(inputs)`."""
    return Add(**base)(inputs)


def concatenate(inputs: list[Any], axis: int = -1, **base: Any) -> Any:
    """`Concatenate(axis, **base)(inputs)`."""
    return Concatenate(axis, **base)(inputs)


def sum_to(dy: Array, shape: tuple[int, ...]) -> Array:
    """dy summed over the axes that are longer than those of `shape`."""
    axes = tuple(axis for axis, n in enumerate(shape) if n != dy.shape[axis])
    return dy.sum(axis=axes, keepdims=True) if axes else dy
