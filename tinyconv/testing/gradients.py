"""The gradient checker: is a derivative written by hand the derivative of its forward pass?

With a random cotangent u the output becomes one number, L = sum(u * y), and for a random
direction v

    analytic   sum(dx * v)                            dx from backward(u, cache)
    numeric    (L(x + h v) - L(x - h v)) / (2 h)      from forward alone

must agree. One such pair tests every element of the gradient at once, for an error in any of
them changes the sum. A random cotangent matters: the sum of all outputs of a softmax is 1
whatever the input, and its gradient 0 even for a wrong backward pass. With targets y a model's
own loss is L.

Next to a kink (a ReLU at 0, equal values in a max-pool window) there is no derivative to
compare with; such points are noticed and moved away from.

Source: Baydin et al. 2018, section 2.1; Chainer's gradient checker has the same idea.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.layers.base import Layer
from tinyconv.losses import Loss
from tinyconv.testing.report import GradientReport
from tinyconv.testing.slope import STEP, compare
from tinyconv.testing.subject import Subject, numpy_of, of_loss, of_outputs
from tinyconv.testing.twins import Luck, parameters, parts
from tinyconv.training.compiled import Compiled
from tinyconv.training.samples import make_batch

_SubjectAt = Callable[[list[Array], dict[str, Array], np.random.Generator], Subject]

# To find a point without a kink nearby. In a network of thousands of ReLUs one of them is always
# near; then smaller steps look less far, though their rounding is larger.
_STEPS = [STEP] * 7 + [STEP / 5] * 7 + [STEP / 20] * 7
_NUDGE = 1e-2


def gradcheck(
    model_or_layer: Layer,
    x: Any,
    y: Any = None,
    training: bool = True,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> GradientReport:
    """Check `backward` for the input and for every parameter; print the result to read it.

    With targets y it is the loss of a compiled model, penalties included, whose gradients are
    checked: those that `fit` takes, of every parameter that is trained.

    The layer (or model) is built if need be, and otherwise not changed, nor are its statistics.

    Args:
        model_or_layer: with dtype float64, for float32 rounds too coarsely to tell.
        x: an input (N, ...), or a list of them where it takes several.
        y: targets, as for `fit`.
        training: mode of the forward pass.
        tolerance: largest relative error that passes.
        seed: of the cotangent and the directions.

    Raises:
        ValueError: for a layer in float32, y without a model to train, or if every point tried
            lies next to a kink.
        RuntimeError: for y before `compile`.
        AssertionError: if backward returns gradients of other keys or shapes than the
            parameters, or other values when it is called twice.
    """
    layer = model_or_layer
    for part in parts(layer):
        if part.dtype != "float64":
            raise ValueError(
                f"{part!r}: a gradient check needs dtype='float64'; "
                "tinyconv.config.set_floatx('float64') gives it to all layers made after it"
            )
    points, subject_at, told = _prepare(layer, x, y, training)
    generator, luck = np.random.default_rng(seed), Luck()
    shifts: dict[str, Array] = {}
    try:
        for step in _STEPS:
            subject = subject_at(points, shifts, generator)
            rows = [
                compare(*each, tolerance, subject.scale, generator, step) for each in subject.arrays
            ]
            checked = tuple(row for row in rows if row is not None)
            if len(checked) == len(rows):
                return GradientReport(told, tolerance, checked)
            points = [x + _nudge(x, generator) for x in points]
            # Parameters too: where an image is black, only a bias takes a ReLU away from 0.
            for key, variable in parameters(layer).items():
                moved = _nudge(np.zeros(variable.shape), generator)
                shifts[key] = shifts.get(key, 0.0) + moved
    finally:
        luck.again()
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

    def value(shift: Array) -> float:
        return float(loss.compute(y_true, point + shift, sample_weight, from_logits=fused).value)

    gradient = loss.compute(y_true, point, sample_weight, from_logits=fused).gradient
    generator, scale = np.random.default_rng(seed), abs(value(np.zeros(())))
    row = compare("y_pred", numpy_of(gradient), value, tolerance, scale, generator)
    if row is None:
        raise ValueError(f"{loss.name}: a kink lies next to this point")
    return GradientReport(loss.name, tolerance, (row,))


def assert_gradients(model_or_layer: Layer, x: Any, y: Any = None, **options: Any) -> None:
    """`gradcheck` for tests: AssertionError with the report unless it passes."""
    report = gradcheck(model_or_layer, x, y, **options)
    if not report.passed:
        raise AssertionError(str(report))


def _prepare(layer: Any, x: Any, y: Any, training: bool) -> tuple[list[Array], _SubjectAt, str]:
    """The inputs, what is checked at such inputs, and what to call it; the layer is built."""
    if y is None:
        listed = isinstance(x, (list, tuple)) and all(hasattr(each, "shape") for each in x)
        points = [np.array(numpy_of(each), "float64") for each in (x if listed else [x])]
        shapes: list[Any] = [(None, *point.shape[1:]) for point in points]
        layer.ensure_built(shapes if listed else shapes[0])

        def by_cotangent(
            points: list[Array], shifts: dict[str, Array], generator: np.random.Generator
        ) -> Subject:
            return of_outputs(layer, points, shifts, listed, training, generator)

        return points, by_cotangent, repr(layer)
    if not isinstance(layer, Compiled) or not training:
        raise ValueError(
            f"{layer!r}: targets y are for a model that was compiled with a loss, and for "
            f"training=True. Received: {type(layer).__name__}, training={training}"
        )
    batch = make_batch(layer, x, y)
    layer._accept("gradcheck with targets y", batch)
    if not layer.trainable_weights:
        raise ValueError(f"{layer!r}: no layer is trainable")
    assert layer.objective is not None
    losses = ", ".join(each.name for each in layer.objective.losses if each is not None)

    def by_loss(
        points: list[Array], shifts: dict[str, Array], generator: np.random.Generator
    ) -> Subject:
        return of_loss(layer, batch._replace(x=points), shifts)

    points = [np.array(numpy_of(each), "float64") for each in layer.check_inputs(batch.x)]
    return points, by_loss, f"{layer!r}, loss {losses}"


def _nudge(x: Array, generator: np.random.Generator) -> Array:
    """A small random move, on the scale of x."""
    nudge: Array = _NUDGE * max(1.0, float(x.std())) * generator.standard_normal(x.shape)
    return nudge
