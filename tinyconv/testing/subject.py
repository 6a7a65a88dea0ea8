"""What a gradient check differentiates: one number L, by every array that it depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.layers.base import Layer
from tinyconv.testing.twins import Luck, parameters, twin
from tinyconv.training.batch import Batch
from tinyconv.training.step import forward_and_loss, loss_gradients


class Dependence(NamedTuple):
    """L by one array.

    Attributes:
        name: of the array, in the report.
        gradient: by the hand-written backward.
        value: L for a shift of the array.
    """

    name: str
    gradient: Array
    value: Callable[[Array], float]


class Subject(NamedTuple):
    """L at one point: what it depends on, and the size of its terms."""

    arrays: list[Dependence]
    scale: float


def of_outputs(
    layer: Layer,
    points: list[Array],
    moved: dict[str, Array],
    listed: bool,
    training: bool,
    generator: np.random.Generator,
) -> Subject:
    """L = sum(u * y): its gradients by every input and every parameter, these `moved` first."""
    luck = Luck()

    def run(at: list[Array], shifts: dict[str, Array]) -> tuple[Layer, Any, Any]:
        # A copy each time, with the same random numbers: the same dropout mask, and
        # batch normalisation's moving statistics stay as they were.
        copied = twin(layer, moved, shifts)
        luck.again()
        return copied, *copied.forward(at if listed else at[0], training)

    copied, y, cache = run(points, {})
    outputs = [numpy_of(each) for each in _as_list(y)]
    cotangents = [generator.standard_normal(each.shape) for each in outputs]
    given = cotangents if isinstance(y, list) else cotangents[0]
    dxs, grads = _gradients(copied, points, given, cache)

    def total(at: list[Array], shifts: dict[str, Array]) -> float:
        ys = _as_list(run(at, shifts)[1])
        return sum(float((u * numpy_of(y)).sum()) for u, y in zip(cotangents, ys, strict=True))

    arrays = []
    for index, dx in enumerate(dxs):

        def by_input(shift: Array, index: int = index) -> float:
            point = points[index] + shift
            return total([*points[:index], point, *points[index + 1 :]], {})

        name = f"x[{index}]" if listed else "x"
        arrays.append(Dependence(name, dx, by_input))
    for key, gradient in grads.items():

        def by_parameter(shift: Array, key: str = key) -> float:
            return total(points, {key: shift})

        arrays.append(Dependence(key, gradient, by_parameter))
    # The second term: where y is exactly 0, backward still rounds its sums over u.
    scale = sum(
        float(np.abs(u * y).sum() + 1e-3 * np.abs(u).sum())
        for u, y in zip(cotangents, outputs, strict=True)
    )
    return Subject(arrays, scale)


def _gradients(
    layer: Layer, points: list[Array], cotangent: Any, cache: Any
) -> tuple[list[Array], dict[str, Array]]:
    """What backward returns, after the checks that need no numbers to compare with."""
    slopes, grads = layer.backward(cotangent, cache)
    slopes_again, again = layer.backward(cotangent, cache)
    dxs = [numpy_of(dx) for dx in _as_list(slopes)]
    if len(dxs) != len(points):
        raise AssertionError(
            f"{layer!r}: expected {len(points)} dx, one an input. Received: {len(dxs)}"
        )
    # None is the slope by an input that no output depends on.
    dxs = [np.zeros(x.shape) if dx is None else dx for x, dx in zip(points, dxs, strict=True)]
    grads = _checked(layer, parameters(layer), grads)
    for x, dx in zip(points, dxs, strict=True):
        if np.shape(dx) != x.shape:
            raise AssertionError(f"{layer!r}: expected dx of shape {x.shape}. Received: {dx.shape}")
    pairs = [*zip(_as_list(slopes), _as_list(slopes_again), strict=True)]
    pairs += [(grads[key], again[key]) for key in grads]
    if not all(np.array_equal(numpy_of(one), numpy_of(other)) for one, other in pairs):
        raise AssertionError(f"{layer!r}: a second backward with the same cache gave other values")
    return dxs, grads


def of_loss(model: Any, batch: Batch, moved: dict[str, Array]) -> Subject:
    """L = what `fit` makes small: its gradients by every parameter that is trained."""
    luck = Luck()

    def run(shifts: dict[str, Array]) -> tuple[Any, Any, Any]:
        copied = twin(model, moved, shifts)
        luck.again()
        return copied, *forward_and_loss(copied, batch, True)

    copied, result, tape = run({})
    trained = {weight.path: weight for weight in model.trainable_weights}
    grads = _checked(model, trained, loss_gradients(copied, result, tape))
    arrays = []
    for key, gradient in grads.items():

        def value(shift: Array, key: str = key) -> float:
            return float(run({key: shift})[1].value)

        arrays.append(Dependence(key, gradient, value))
    return Subject(arrays, abs(float(result.value)))


def _checked(layer: Layer, variables: dict[str, Any], grads: dict[str, Array]) -> dict[str, Array]:
    """The gradients in the order of what they belong to, whose shapes they must have."""
    expected = {key: variable.shape for key, variable in variables.items()}
    arrays = {key: numpy_of(gradient) for key, gradient in grads.items()}
    received = {key: np.shape(array) for key, array in arrays.items()}
    if received != expected:
        raise AssertionError(
            f"{layer!r}: backward must return one gradient for each parameter, of its shape: "
            f"expected {expected}. Received: {received}"
        )
    return {key: arrays[key] for key in expected}


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def numpy_of(x: Any) -> Any:
    """A NumPy array; of what some user's backward returned, too."""
    return None if x is None else get_backend().to_numpy(x)
