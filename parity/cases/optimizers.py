"""The optimizers: every argument, over several steps with gradients of all sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.case import Case, Results
from parity.data import Array, generator
from parity.sides.base import Side
from parity.tolerances import ADAM, SINGLE

_SHAPES = ((4, 3), (3,), (2, 2, 1, 2))
_STEPS = 6


def gradients(kind: str, steps: int = _STEPS) -> list[list[Array]]:
    """A list of gradients for each step.

    normal   of changing size and direction
    tiny     around 1e-6, where epsilon has a say
    sparse   most of them exactly 0
    large    one of the variables a hundred times the others, so that clipping tells them apart
    """
    source = generator("gradients", kind)
    found = []
    for step in range(steps):
        row = [source.standard_normal(shape) * (1 + step % 3) for shape in _SHAPES]
        if kind == "tiny":
            row = [1e-6 * gradient for gradient in row]
        if kind == "sparse":
            row = [gradient * (source.random(gradient.shape) < 0.3) for gradient in row]
        if kind == "large":
            row[0] = 100 * row[0]
        found.append(row)
    return found


def optimizer(
    cls: str,
    words: str,
    kind: str = "normal",
    /,
    make: Callable[[Side], Any] | None = None,
    case: dict[str, Any] | None = None,
    **arguments: Any,
) -> Case:
    """How far the variables moved, step by step; `make` where an argument is an object."""

    def measure(side: Side, dtype: str) -> Results:
        made = make(side) if make else getattr(side.library.optimizers, cls)(**arguments)
        start = [
            0.1 * generator("start", shape).standard_normal(shape).astype(dtype)
            for shape in _SHAPES
        ]
        steps = [[g.astype(dtype) for g in row] for row in gradients(kind)]
        moved = side.optimize(made, [s.astype(dtype) for s in start], steps)
        # The way travelled, for the size of the weights would hide a wrong step.
        return {f"weights {tuple(s.shape)}": m - s for m, s in zip(moved, start, strict=True)}

    tolerance = ADAM if cls in ("Adam", "AdamW") else SINGLE
    return Case(cls, words, measure, ((cls, arguments),), tolerance=tolerance, **(case or {}))


def cases() -> list[Case]:
    """All of them."""
    every = [
        ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
        ("RMSprop", {"learning_rate": 0.1}),
        ("Adam", {"learning_rate": 0.1}),
        ("AdamW", {"learning_rate": 0.1}),
    ]
    shared = [case for cls, arguments in every for case in _shared(cls, arguments)]
    return [*_sgd(), *_rmsprop(), *_adam(), *_adamw(), *shared]


def _shared(cls: str, arguments: dict[str, Any]) -> list[Case]:
    """What every optimizer has."""

    def decaying(side: Side) -> Any:
        library = side.library.optimizers
        schedule = library.schedules.ExponentialDecay(0.2, 3, 0.5)
        return getattr(library, cls)(**{**arguments, "learning_rate": schedule})

    return [
        optimizer(cls, "defaults"),
        optimizer(cls, "learning_rate", **arguments),
        optimizer(cls, "tiny gradients", "tiny", **arguments),
        optimizer(cls, "sparse gradients", "sparse", **arguments),
        optimizer(cls, "weight_decay", **{**arguments, "weight_decay": 0.1}),
        optimizer(cls, "clipnorm", "large", **arguments, clipnorm=2.0),
        optimizer(cls, "global_clipnorm", "large", **arguments, global_clipnorm=2.0),
        optimizer(cls, "clipvalue", "large", **arguments, clipvalue=0.5),
        optimizer(cls, "clipnorm beyond every gradient", **arguments, clipnorm=1e6),
        optimizer(cls, "schedule", make=decaying, **arguments),
        optimizer(cls, "with a name", **arguments, name="first"),
    ]


def _sgd() -> list[Case]:
    rate: dict[str, Any] = {"learning_rate": 0.1}
    return [
        optimizer("SGD", "without momentum", **rate),
        optimizer("SGD", "momentum", **rate, momentum=0.5),
        optimizer("SGD", "nesterov", **rate, momentum=0.9, nesterov=True),
        optimizer("SGD", "nesterov without momentum", **rate, nesterov=True),
        optimizer("SGD", "nesterov, weight_decay", **rate, momentum=0.9, nesterov=True,
                  weight_decay=0.1),
    ]  # fmt: skip


def _rmsprop() -> list[Case]:
    rate: dict[str, Any] = {"learning_rate": 0.1}
    return [
        optimizer("RMSprop", "rho", **rate, rho=0.5),
        optimizer("RMSprop", "momentum", **rate, momentum=0.9),
        optimizer("RMSprop", "epsilon 0.1", **rate, epsilon=0.1),
        optimizer("RMSprop", "epsilon, tiny gradients", "tiny", **rate, epsilon=1e-10),
        optimizer("RMSprop", "centered", **rate, centered=True),
        optimizer("RMSprop", "centered, momentum", **rate, centered=True, momentum=0.5),
    ]


def _adam() -> list[Case]:
    rate: dict[str, Any] = {"learning_rate": 0.1}
    return [
        optimizer("Adam", "beta_1", **rate, beta_1=0.5),
        optimizer("Adam", "beta_1 0", **rate, beta_1=0.0),
        optimizer("Adam", "beta_2", **rate, beta_2=0.9),
        optimizer("Adam", "epsilon 0.1", **rate, epsilon=0.1),
        optimizer("Adam", "epsilon, tiny gradients", "tiny", **rate, epsilon=1e-5),
        optimizer("Adam", "amsgrad", **rate, amsgrad=True),
        optimizer("Adam", "amsgrad, sparse gradients", "sparse", **rate, amsgrad=True,
                  beta_2=0.5),
    ]  # fmt: skip


def _adamw() -> list[Case]:
    rate: dict[str, Any] = {"learning_rate": 0.1}
    return [
        optimizer("AdamW", "beta_1, beta_2 and epsilon", **rate, beta_1=0.8, beta_2=0.99,
                  epsilon=1e-3),
        optimizer("AdamW", "amsgrad", **rate, amsgrad=True),
        optimizer("AdamW", "weight_decay 0.5", **rate, weight_decay=0.5),
    ]  # fmt: skip
