"""What operations take and return beside plain numbers: arrays, and activations by name."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy.typing as npt

Array = npt.NDArray[Any]

ACTIVATIONS = (
    "linear", "relu", "leaky_relu", "clipped_relu", "sigmoid", "tanh", "softmax", "elu", "gelu",
    "gelu_tanh",
)  # fmt: skip


class Activation(NamedTuple):
    """An elementwise function (softmax: over the last axis) by name.

    Attributes:
        name: one of ACTIVATIONS.
        alpha: slope below the threshold (the relu family) or scale of the exponential (elu);
            not negative, or the sign of y would no longer tell that of the input.
        threshold: where clipped_relu bends.
        max_value: where clipped_relu stops rising.
    """

    name: str
    alpha: float = 0.0
    threshold: float = 0.0
    max_value: float = math.inf


LINEAR = Activation("linear")

# The derivative of these needs the input; that of all others follows from the output.
NEED_INPUT = frozenset({"gelu", "gelu_tanh", "clipped_relu"})
