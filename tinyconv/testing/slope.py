"""A derivative along a direction, from values of the function alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.testing.report import Row

Function = Callable[[Array], float]

STEP = 2e-4  # large against rounding, small against the curvature; see _numeric


def compare(
    name: str,
    gradient: Array,
    function: Function,
    tolerance: float,
    scale: float,
    generator: np.random.Generator,
    step: float = STEP,
) -> Row | None:
    """Compare gradient and function along one random direction; None next to a kink.

    Args:
        name: of the row.
        gradient: of the function at the shift 0, by the hand-written formula.
        function: of a shift, of the gradient's shape, from the point where the gradient holds.
        tolerance: largest relative error that passes.
        scale: size of the terms that the function adds up; it sets the floor below which a
            difference is rounding.
        generator: of the direction.
        step: the largest along it.
    """
    direction = generator.standard_normal(gradient.shape)
    analytic = float((gradient * direction).sum())
    floor = 1e-4 * float(np.abs(gradient * direction).sum()) + 1e-4 * scale + 1e-30
    numeric, kink = _numeric(function, direction, step)
    size = max(abs(analytic), abs(numeric), floor)
    if kink > tolerance * max(abs(numeric), floor):
        return None
    error = abs(analytic - numeric) / size
    return Row(name, analytic, numeric, error, error <= tolerance)


def _numeric(function: Function, direction: Array, step: float) -> tuple[float, float]:
    """Derivative along the direction, and how far from smooth the function looks there.

    Central differences D with steps h and h/2 give (4 D(h/2) - D(h)) / 3 with an error of
    order h^4 (Richardson), whatever the curvature. A kink within the step makes this
    differ from the same with h/2 and h/4; one exactly at the point makes the slopes to
    the left and to the right differ, by an amount that does not shrink with the step.
    """
    middle = function(0 * direction)
    slopes, bends = [], []
    for h in (step, step / 2, step / 4):
        right = (function(h * direction) - middle) / h
        left = (middle - function(-h * direction)) / h
        slopes.append((right + left) / 2)
        bends.append(right - left)
    smooth, finer = ((4 * slopes[k + 1] - slopes[k]) / 3 for k in (0, 1))
    # Where all is smooth a bend is a h + b h^3, and this sum of three of them nothing;
    # a kink at the point bends all three by its jump, and spoils `smooth` by half of it.
    jump = abs(16 * bends[2] - 10 * bends[1] + bends[0]) / 7
    # A jump of the curvature spoils `smooth` by twice what sets it apart from `finer`.
    return smooth, max(2 * abs(smooth - finer), jump / 2)
