"""The gradient checker: is a derivative written by hand the derivative of its forward pass?

With a random cotangent u the output becomes one number, L = sum(u * y), and for a random
direction v

    analytic   sum(dx * v)                            dx from backward(u, cache)
    numeric    (L(x + h v) - L(x - h v)) / (2 h)      from forward alone

must agree. One such pair tests every element of the gradient at once, for an error in any of
them changes the sum. A random cotangent matters: the sum of all outputs of a softmax is 1
whatever the input, and its gradient 0 even for a wrong backward pass.

Next to a kink (a ReLU at 0, equal values in a max-pool window) there is no derivative to
compare with; such points are noticed and moved away from.

Source: Baydin et al. 2018, section 2.1; Chainer's gradient checker has the same idea.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinyconv import random
from tinyconv.backends.base import Array
from tinyconv.layers.base import Layer
from tinyconv.losses import Loss

Function = Callable[[Array], float]

_STEP = 2e-4  # large against rounding, small against the curvature; see _numeric
_ATTEMPTS = 20  # to find a point without a kink nearby
_NUDGE = 1e-2


class Row(NamedTuple):
    """The check of one array: the input, or one parameter.

    Attributes:
        name: "x", or the parameter's key.
        analytic, numeric: the two directional derivatives.
        error: their difference over the larger of them.
        passed: whether the error is within the tolerance.
    """

    name: str
    analytic: float
    numeric: float
    error: float
    passed: bool


class GradientReport(NamedTuple):
    """All rows of a check; prints as a table."""

    subject: str
    tolerance: float
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether every row passed."""
        return all(row.passed for row in self.rows)

    def __str__(self) -> str:
        lines = [f"{self.subject}: gradients {'agree' if self.passed else 'DIFFER'}"]
        lines.append(f"{'':14}{'analytic':>16}{'numeric':>16}{'relative error':>16}")
        for name, analytic, numeric, error, passed in self.rows:
            verdict = "" if passed else f"  more than {self.tolerance:g}"
            lines.append(f"{name:14}{analytic:16.8g}{numeric:16.8g}{error:16.2e}{verdict}")
        return "\n".join(lines)


def gradcheck(
    layer: Layer, x: Any, training: bool = True, tolerance: float = 1e-6, seed: int = 0
) -> GradientReport:
    """Check `layer.backward` for the input and for every parameter.

    The layer (or model) is built if need be, and otherwise not changed, nor are its statistics.

    Args:
        layer: with dtype float64, for float32 rounds too coarsely to tell.
        x: an input (N, ...).
        training: mode of the forward pass.
        tolerance: largest relative error that passes.
        seed: of the cotangent and the directions.

    Raises:
        ValueError: for a layer in float32, or if every point tried lies next to a kink.
        AssertionError: if backward returns gradients of other keys or shapes than the
            parameters, or other values when it is called twice.
    """
    for part in _parts(layer):
        if part.dtype != "float64":
            raise ValueError(f"{part!r}: a gradient check needs dtype='float64'")
    layer.ensure_built((None, *np.shape(x)[1:]))
    generator = np.random.default_rng(seed)
    point = np.array(x, "float64")
    state = random.generator().bit_generator.state
    try:
        for _ in range(_ATTEMPTS):
            rows = _check_layer(layer, point, training, tolerance, generator)
            if rows is not None:
                return GradientReport(repr(layer), tolerance, rows)
            point = point + _NUDGE * generator.standard_normal(point.shape)
    finally:
        random.generator().bit_generator.state = state
    raise ValueError(f"{layer!r}: found no point without a kink nearby")


def gradcheck_loss(
    loss: Loss,
    y_true: Any,
    y_pred: Any,
    sample_weight: Any = None,
    fused: bool = False,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> GradientReport:
    """Check the gradient of a loss by the predictions, or with `fused` by the logits.

    Raises:
        ValueError: if a kink (a clipped probability) lies next to the point.
    """
    point = np.array(y_pred, "float64")

    def value(at: Array) -> float:
        return float(loss.compute(y_true, at, sample_weight, from_logits=fused).value)

    gradient = loss.compute(y_true, point, sample_weight, from_logits=fused).gradient
    generator = np.random.default_rng(seed)
    row = _row("y_pred", value, point, gradient, tolerance, abs(value(point)), generator)
    if row is None:
        raise ValueError(f"{loss.name}: a kink lies next to this point")
    return GradientReport(loss.name, tolerance, (row,))


def assert_gradients(layer: Layer, x: Any, **options: Any) -> None:
    """`gradcheck` for tests: AssertionError with the report unless it passes."""
    report = gradcheck(layer, x, **options)
    if not report.passed:
        raise AssertionError(str(report))


def _check_layer(
    layer: Layer, x: Array, training: bool, tolerance: float, generator: np.random.Generator
) -> tuple[Row, ...] | None:
    """A row for x and for every parameter; None if a kink is near."""
    state = random.generator().bit_generator.state

    def run(at: Array, shifts: dict[str, Array]) -> tuple[Layer, Array, Any]:
        # A copy each time, with the same random numbers: the same dropout mask, and
        # batch normalisation's moving statistics stay as they were.
        twin = copy.deepcopy(layer)
        for key, variable in parameters(twin).items():
            variable.value = variable.value + shifts.get(key, 0.0)
        random.generator().bit_generator.state = state
        y, cache = twin.forward(at, training)
        return twin, y, cache

    twin, y, cache = run(x, {})
    cotangent = generator.standard_normal(y.shape)
    dx, grads = twin.backward(cotangent, cache)
    again_dx, again = twin.backward(cotangent, cache)
    _check_shapes(layer, x, dx, grads)
    same = np.array_equal(dx, again_dx) and all(np.array_equal(grads[k], again[k]) for k in grads)
    if not same:
        raise AssertionError(f"{layer!r}: a second backward with the same cache gave other values")
    # The second term: where y is exactly 0, backward still rounds its sums over u.
    scale = float(np.abs(cotangent * y).sum() + 1e-3 * np.abs(cotangent).sum())

    def by_input(at: Array) -> float:
        return float((cotangent * run(at, {})[1]).sum())

    rows = [_row("x", by_input, x, dx, tolerance, scale, generator)]
    for key, grad in grads.items():

        def by_parameter(shift: Array, key: str = key) -> float:
            return float((cotangent * run(x, {key: shift})[1]).sum())

        zero = np.zeros(grad.shape)
        rows.append(_row(key, by_parameter, zero, grad, tolerance, scale, generator))
    checked = tuple(row for row in rows if row is not None)
    return checked if len(checked) == len(rows) else None


def _check_shapes(layer: Layer, x: Array, dx: Array, grads: dict[str, Array]) -> None:
    """Raise AssertionError unless every gradient has the shape of what it belongs to."""
    expected = {key: variable.shape for key, variable in parameters(layer).items()}
    received = {key: np.shape(grad) for key, grad in grads.items()}
    if received != expected:
        raise AssertionError(
            f"{layer!r}: backward must return one gradient for each parameter, of its shape: "
            f"expected {expected}. Received: {received}"
        )
    if np.shape(dx) != x.shape:
        raise AssertionError(f"{layer!r}: expected dx of shape {x.shape}. Received: {dx.shape}")


def parameters(layer: Layer) -> dict[str, Any]:
    """The parameters, frozen ones too, under the keys of `backward`'s gradients."""
    own = isinstance(getattr(layer, "layers", None), list)
    return {(w.path if own else w.name): w for w in layer.weights if w.name in w.layer.params}


def _parts(layer: Layer) -> list[Layer]:
    """The layers that a model is made of, at any depth; a layer itself."""
    inner = getattr(layer, "layers", None)
    if not isinstance(inner, list):
        return [layer]
    return [part for each in inner for part in _parts(each)]


def _row(
    name: str,
    function: Function,
    point: Array,
    gradient: Array,
    tolerance: float,
    scale: float,
    generator: np.random.Generator,
) -> Row | None:
    """Compare along one random direction; None next to a kink.

    `scale`, the size of the terms of L, sets the floor below which a difference is rounding.
    """
    direction = generator.standard_normal(point.shape)
    analytic = float((gradient * direction).sum())
    floor = 1e-4 * float(np.abs(gradient * direction).sum()) + 1e-4 * scale + 1e-30
    numeric, kink = _numeric(function, point, direction)
    size = max(abs(analytic), abs(numeric), floor)
    if kink > tolerance * max(abs(numeric), floor):
        return None
    error = abs(analytic - numeric) / size
    return Row(name, analytic, numeric, error, error <= tolerance)


def _numeric(function: Function, point: Array, direction: Array) -> tuple[float, float]:
    """Derivative along the direction, and how far from smooth the function looks there.

    Central differences D with steps h and h/2 give (4 D(h/2) - D(h)) / 3 with an error of
    order h^4 (Richardson), whatever the curvature. A kink within the step makes this
    differ from the same with h/2 and h/4; one exactly at the point makes the slopes to
    the left and to the right differ, by an amount that does not shrink with the step.
    """
    middle = function(point)
    slopes, bends = [], []
    for h in (_STEP, _STEP / 2, _STEP / 4):
        right = (function(point + h * direction) - middle) / h
        left = (middle - function(point - h * direction)) / h
        slopes.append((right + left) / 2)
        bends.append(right - left)
    smooth, finer = ((4 * slopes[k + 1] - slopes[k]) / 3 for k in (0, 1))
    # Where all is smooth a bend is a h + b h^3, and this sum of three of them nothing;
    # a kink at the point bends all three by its jump, and spoils `smooth` by half of it.
    jump = abs(16 * bends[2] - 10 * bends[1] + bends[0]) / 7
    # A jump of the curvature spoils `smooth` by twice what sets it apart from `finer`.
    return smooth, max(2 * abs(smooth - finer), jump / 2)
