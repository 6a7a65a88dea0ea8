"""The penalties and their gradients."""

from __future__ import annotations

from typing import Any

from parity.case import Case, Results
from parity.data import draw
from parity.sides.base import Side
from parity.tolerances import FLOAT32_CONSTANT, SINGLE


def regularizer(cls: str, words: str, values: str = "normal", /, **arguments: Any) -> Case:
    """The penalty of a kernel."""

    def measure(side: Side, dtype: str) -> Results:
        made = getattr(side.library.regularizers, cls)(**arguments)
        return side.penalty(made, draw(values, (4, 5)).astype(dtype))

    # keras.regularizers.L1 makes a float32 tensor of its factor as soon as it is constructed.
    rounded = cls == "L1" and not arguments
    tolerance = FLOAT32_CONSTANT if rounded else SINGLE
    uses = ((cls, arguments),)
    return Case("regularizers", f"{cls}, {words}", measure, uses, tolerance=tolerance)


def cases() -> list[Case]:
    """All of them."""
    return [
        regularizer("L1", "defaults"),
        regularizer("L1", "l1", l1=0.25),
        regularizer("L1", "at exactly 0", "ties", l1=0.25),
        regularizer("L2", "defaults"),
        regularizer("L2", "l2", l2=0.3),
        regularizer("L1L2", "both", l1=0.1, l2=0.3),
        regularizer("L1L2", "l2 alone", l2=0.3),
    ]
