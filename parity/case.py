"""What one line of the table is made of: a case, and the row that comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from parity.tolerances import SINGLE, Tolerance

if TYPE_CHECKING:
    from parity.sides.base import Side

Results = dict[str, Any]  # arrays by what they are: "output", "dx", "kernel", ...
Uses = tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True, eq=False)
class Case:
    """One computation, described once and carried out by both libraries.

    Attributes:
        family: the layer, or the kind of thing, that it is about.
        name: what is special about it; unique within the family.
        measure: carries it out; called with a `Side` and a dtype, it returns named arrays.
        uses: the public names that it proves, each with the arguments given to it.
        quick: whether the quick set holds it.
        tolerance: how far apart the results may be, and why.
        tolerances: of single results, by name, where another one holds for them.
        scales: by the name of a result, the size of the terms it is summed from, where
            these cancel; see `compare.relative_error`.
        floor: the same size, for all results.
        conditioned: whether it is drawn at random, so that it may magnify rounding as nobody
            foresaw; see `run.conditioning`.
        note: what a reader has to know to believe the row.
    """

    family: str
    name: str
    measure: Callable[[Side, str], Results]
    uses: Uses = ()
    quick: bool = True
    tolerance: Tolerance = SINGLE
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    scales: Mapping[str, float] = field(default_factory=dict)
    floor: float = 0.0
    conditioned: bool = False
    note: str = ""

    @property
    def id(self) -> str:
        """How documents and `-k` refer to it."""
        return f"{self.family}: {self.name}"


@dataclass(frozen=True)
class Row:
    """How far tinyconv and tf.keras are apart in one case, on one backend, in one dtype.

    Attributes:
        errors: largest relative error of every result, by its name.
        problem: what went wrong, if something other than a number did.
    """

    case: Case
    backend: str
    dtype: str
    errors: Mapping[str, float]
    problem: str = ""

    def tolerance(self, name: str = "") -> float:
        """The largest error that passes, of a result, or of those that are not singled out."""
        return self.case.tolerances.get(name, self.case.tolerance).of(self.dtype)

    @property
    def worst(self) -> float:
        """The largest of the errors."""
        return max(self.errors.values(), default=float("inf"))

    @property
    def red(self) -> list[str]:
        """The results that are too far apart."""
        return [name for name, error in self.errors.items() if not error <= self.tolerance(name)]

    @property
    def passed(self) -> bool:
        """Whether every error is within its tolerance."""
        return not self.problem and bool(self.errors) and not self.red
