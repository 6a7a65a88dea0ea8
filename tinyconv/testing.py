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
        name: "x" ("x[0]", "x[1]", ... of several inputs), or the parameter's key.
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
        x: an input (N, ...), or a list of them where the layer takes several.
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
    listed = isinstance(x, (list, tuple)) and all(hasattr(each, "shape") for each in x)
    points = [np.array(each, "float64") for each in (x if listed else [x])]
    shapes: list[Any] = [(None, *point.shape[1:]) for point in points]
    layer.ensure_built(shapes if listed else shapes[0])
    generator = np.random.default_rng(seed)
    state = random.generator().bit_generator.state
    try:
        for _ in range(_ATTEMPTS):
            rows = _check_layer(layer, points, listed, training, tolerance, generator)
            if rows is not None:
                return GradientReport(repr(layer), tolerance, rows)
            points = [x + _NUDGE * generator.standard_normal(x.shape) for x in points]
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
    layer: Layer,
    points: list[Array],
    listed: bool,
    training: bool,
    tolerance: float,
    generator: np.random.Generator,
) -> tuple[Row, ...] | None:
    """A row for every input and every parameter; None if a kink is near."""
    state = random.generator().bit_generator.state

    def run(at: list[Array], shifts: dict[str, Array]) -> tuple[Layer, Any, Any]:
        # A copy each time, with the same random numbers: the same dropout mask, and
        # batch normalisation's moving statistics stay as they were.
        twin = _twin(layer)
        for key, variable in parameters(twin).items():
            variable.value = variable.value + shifts.get(key, 0.0)
        random.generator().bit_generator.state = state
        y, cache = twin.forward(at if listed else at[0], training)
        return twin, y, cache

    twin, y, cache = run(points, {})
    outputs = _as_list(y)
    cotangents = [generator.standard_normal(each.shape) for each in outputs]
    cotangent = cotangents if isinstance(y, list) else cotangents[0]
    slopes, grads = twin.backward(cotangent, cache)
    slopes_again, again = twin.backward(cotangent, cache)
    dxs = _as_list(slopes)
    if len(dxs) != len(points):
        raise AssertionError(
            f"{layer!r}: expected {len(points)} dx, one an input. Received: {len(dxs)}"
        )
    # None is the slope by an input that no output depends on.
    dxs = [np.zeros(x.shape) if dx is None else dx for x, dx in zip(points, dxs, strict=True)]
    _check_shapes(layer, points, dxs, grads)
    pairs = [*zip(_as_list(slopes), _as_list(slopes_again), strict=True)]
    pairs += [(grads[key], again[key]) for key in grads]
    if not all(np.array_equal(one, other) for one, other in pairs):
        raise AssertionError(f"{layer!r}: a second backward with the same cache gave other values")

    def total(at: list[Array], shifts: dict[str, Array]) -> float:
        ys = _as_list(run(at, shifts)[1])
        return sum(float((u * y).sum()) for u, y in zip(cotangents, ys, strict=True))

    # The second term: where y is exactly 0, backward still rounds its sums over u.
    scale = sum(
        float(np.abs(u * y).sum() + 1e-3 * np.abs(u).sum())
        for u, y in zip(cotangents, outputs, strict=True)
    )
    rows = []
    for index, (x, dx) in enumerate(zip(points, dxs, strict=True)):

        def by_input(at: Array, index: int = index) -> float:
            return total([*points[:index], at, *points[index + 1 :]], {})

        name = f"x[{index}]" if listed else "x"
        rows.append(_row(name, by_input, x, dx, tolerance, scale, generator))
    for key, grad in grads.items():

        def by_parameter(shift: Array, key: str = key) -> float:
            return total(points, {key: shift})

        zero = np.zeros(grad.shape)
        rows.append(_row(key, by_parameter, zero, grad, tolerance, scale, generator))
    checked = tuple(row for row in rows if row is not None)
    return checked if len(checked) == len(rows) else None


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _twin(layer: Layer) -> Layer:
    """A copy with parameters of its own; the drawing of the graph is not copied with it."""
    nodes = [node for part in _parts(layer, models=True) for node in part.nodes]
    twin: Layer = copy.deepcopy(layer, {id(node): node for node in nodes})
    return twin


def _check_shapes(
    layer: Layer, points: list[Array], dxs: list[Array], grads: dict[str, Array]
) -> None:
    """Raise AssertionError unless every gradient has the shape of what it belongs to."""
    expected = {key: variable.shape for key, variable in parameters(layer).items()}
    received = {key: np.shape(grad) for key, grad in grads.items()}
    if received != expected:
        raise AssertionError(
            f"{layer!r}: backward must return one gradient for each parameter, of its shape: "
            f"expected {expected}. Received: {received}"
        )
    for x, dx in zip(points, dxs, strict=True):
        if np.shape(dx) != x.shape:
            raise AssertionError(f"{layer!r}: expected dx of shape {x.shape}. Received: {dx.shape}")


def parameters(layer: Layer) -> dict[str, Any]:
    """The parameters, frozen ones too, under the keys of `backward`'s gradients."""
    own = isinstance(getattr(layer, "layers", None), list)
    return {(w.path if own else w.name): w for w in layer.weights if w.name in w.layer.params}


def _parts(layer: Layer, models: bool = False) -> list[Layer]:
    """The layers that a model is made of, at any depth, with or without the models among them."""
    inner = getattr(layer, "layers", None)
    if not isinstance(inner, list):
        return [layer]
    return [*([layer] if models else []), *(part for x in inner for part in _parts(x, models))]


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
