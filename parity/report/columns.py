"""What a row shows: the same for text and page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from parity.case import Row

_OUTPUTS = ("output", "loss", "losses")
_SHOWN = 4  # parameters and statistics named one by one; of more only the worst


class Columns(NamedTuple):
    """A row in words."""

    output: str
    dx: str
    others: str
    tolerance: str
    verdict: str


def columns(row: Row) -> Columns:
    """The errors of the output, of dx and of everything else."""
    errors = dict(row.errors)
    output = next((name for name in _OUTPUTS if name in errors), "")
    shown = number(errors.pop(output)) if output else ""
    dx = number(errors.pop("dx")) if "dx" in errors else ""
    return Columns(shown, dx, _others(row, errors), f"{row.tolerance():.0e}", _verdict(row))


def number(error: float) -> str:
    """ "0" for no difference at all, else two digits."""
    if error == 0:
        return "0"
    return "infinite" if math.isinf(error) else f"{error:.1e}"


def _others(row: Row, errors: dict[str, float]) -> str:
    if row.problem:
        return row.problem.splitlines()[0]
    if len(errors) <= _SHOWN:
        return " · ".join(f"{name} {number(error)}" for name, error in errors.items())
    worst = max(errors, key=lambda name: errors[name] / row.tolerance(name))
    return f"worst of {len(errors)}: {worst} {number(errors[worst])}"


def _verdict(row: Row) -> str:
    return "pass" if row.passed else "FAIL"


class Summary(NamedTuple):
    """What the rows of a family have in common."""

    family: str
    cases: int
    rows: int
    failed: int
    worst: dict[str, float]  # by dtype, the largest error


def summaries(rows: Sequence[Row]) -> list[Summary]:
    """One for each family, in the order of the rows."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row.case.family, []).append(row)
    return [
        Summary(
            family,
            len({row.case.id for row in own}),
            len(own),
            sum(not row.passed for row in own),
            {dtype: max(row.worst for row in own if row.dtype == dtype) for dtype in dtypes(own)},
        )
        for family, own in families.items()
    ]


def dtypes(rows: Iterable[Row]) -> list[str]:
    """Those that occur, in order."""
    return sorted({row.dtype for row in rows})


def totals(rows: Sequence[Row]) -> str:
    """One line."""
    cases = len({row.case.id for row in rows})
    failed = sum(not row.passed for row in rows)
    verdict = f"{failed} of them FAIL" if failed else "all pass"
    backends = ", ".join(dict.fromkeys(row.backend for row in rows))
    return f"{cases} cases, {len(rows)} rows ({backends}; {', '.join(dtypes(rows))}): {verdict}"
