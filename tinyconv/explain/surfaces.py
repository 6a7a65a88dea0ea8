"""Small loss surfaces over two parameters, to watch optimizers on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Surface(NamedTuple):
    """A loss of two parameters a and b, and its slope by each, written by hand.

    Attributes:
        name: shown in the title, with the formula.
        value: (a, b) -> loss, for arrays too.
        gradient: (a, b) -> (slope by a, slope by b).
        a, b: (lowest, highest) that a picture shows.
        start: where the paths begin.
        minima: where the loss is smallest.
        rate: a learning rate that plain SGD bears on the slopes shown.
    """

    name: str
    value: Callable[[Any, Any], Any]
    gradient: Callable[[Any, Any], tuple[Any, Any]]
    a: tuple[float, float]
    b: tuple[float, float]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...] = ()
    rate: float = 0.01


# Much steeper across than along: the largest rate that b can bear is slow for a.
RAVINE = Surface(
    "ravine, L = (a² + 20 b²) / 2",
    lambda a, b: (a**2 + 20 * b**2) / 2,
    lambda a, b: (a, 20 * b),
    a=(-10.0, 2.5),
    b=(-2.6, 2.6),
    start=(-9.0, 2.0),
    minima=((0.0, 0.0),),
    rate=0.09,
)

# Between two basins: on the ridge b = 0 there is no slope by b, and near it hardly any.
SADDLE = Surface(
    "saddle, L = (a² − b²) / 2 + b⁴ / 4",
    lambda a, b: (a**2 - b**2) / 2 + b**4 / 4,
    lambda a, b: (a, b**3 - b),
    a=(-2.2, 2.2),
    b=(-1.7, 1.7),
    start=(-2.0, 0.01),
    minima=((0.0, 1.0), (0.0, -1.0)),
    rate=0.1,
)

# Rosenbrock 1960: a valley along b = a², easy to find and slow to follow.
VALLEY = Surface(
    "curved valley (Rosenbrock), L = (1 − a)² + 10 (b − a²)²",
    lambda a, b: (1 - a) ** 2 + 10 * (b - a**2) ** 2,
    lambda a, b: (-2 * (1 - a) - 40 * a * (b - a**2), 20 * (b - a**2)),
    a=(-1.8, 1.8),
    b=(-0.8, 2.6),
    start=(-1.4, 0.2),
    minima=((1.0, 1.0),),
    rate=0.006,
)

SURFACES = {"ravine": RAVINE, "saddle": SADDLE, "valley": VALLEY}
