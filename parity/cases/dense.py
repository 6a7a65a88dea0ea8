"""Dense, on inputs of two to four axes."""

from __future__ import annotations

from typing import Any

from parity.case import Case
from parity.cases.layer import layer_case
from parity.tolerances import FLOAT32_CONSTANT

_ACTIVATIONS = ("linear", "relu", "sigmoid", "tanh", "softmax", "elu", "gelu", "leaky_relu")


def dense(name: str, shape: tuple[int, ...] = (5, 7), /, **arguments: Any) -> Case:
    """Dense(4) unless the arguments say otherwise."""
    return layer_case("Dense", name, shape, **{"units": 4, **arguments})


def cases() -> list[Case]:
    """All of them."""
    found = [
        dense("2-D"),
        dense("3-D", (3, 5, 7)),
        dense("4-D", (2, 3, 5, 7)),
        dense("4-D, softmax over the last axis", (2, 3, 5, 7), activation="softmax"),
        dense("one sample", (1, 7)),
        dense("one unit", units=1),
        dense("one input value", (5, 1)),
        dense("784 inputs, 128 units", (32, 784), units=128, activation="relu"),
        dense("without bias", use_bias=False),
        dense("without bias, 3-D, relu", (3, 5, 7), use_bias=False, activation="relu"),
        dense("frozen", trainable=False),
        dense("with a name", name="first"),
        dense("with a dtype", dtype="float64"),
        dense("in inference", training=False),
    ]
    for name in _ACTIVATIONS:
        tolerance = {"tolerance": FLOAT32_CONSTANT} if name in ("gelu", "leaky_relu") else {}
        found.append(dense(f"activation {name}", activation=name, case=tolerance))
    return found
