"""What is measured, and what comes out of it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Turn = Callable[[], float]


@dataclass(frozen=True)
class Contender:
    """Something to measure.

    Attributes:
        name: shown in the table.
        factory: "module:function"; called once in the contender's process with `options`, it
            does all preparation and returns a function that does one turn and returns its
            seconds per unit of work.
        options: keyword arguments of the factory.
        settings: ways to run it, by what to call them: more arguments of the factory each.
        imports: modules to import first; their time and memory are told apart.
        environment: variables of its process.
        peer: whether it is one of those to be measured against.
    """

    name: str
    factory: str
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    peer: bool = False


class Costs(NamedTuple):
    """What the values of a contender leave out.

    Attributes:
        import_seconds, import_memory: of its library; memory in bytes.
        build_seconds: of the data and the model.
        first_turn_seconds: the first turn, which compiles.
    """

    import_seconds: float
    import_memory: int
    build_seconds: float
    first_turn_seconds: float


class Result(NamedTuple):
    """What all turns of one contender returned (seconds per unit of work, say).

    Attributes:
        name, peer: of the contender.
        values: one a round.
        peak_memory: of the process, its library and its data included, in bytes.
        costs: what the values leave out.
        setting: the way in which it ran; "" if there was only one.
        tried: the seconds of the other ways, and its own, when they were tried.
    """

    name: str
    peer: bool
    values: list[float]
    peak_memory: int
    costs: Costs
    setting: str
    tried: dict[str, float]

    @property
    def median(self) -> float:
        """Of all turns."""
        return statistics.median(self.values)
