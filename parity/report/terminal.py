"""The table as text, a line for each row as soon as it is known."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from parity.case import Row
from parity.report.columns import columns, number, summaries, totals

_WIDTH = 46
_RED, _DIM, _BOLD, _PLAIN = "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"
_HEADINGS = f"{'':{_WIDTH}}{'dtype':9}{'backend':9}{'output':>9}{'dx':>9}   {'parameters':66}"


class Table:
    """Prints rows, with the family and the case where they change."""

    def __init__(self) -> None:
        self._coloured = sys.stdout.isatty()
        self._family = self._case = ""

    def add(self, row: Row) -> None:
        """One line."""
        if row.case.family != self._family:
            self._family, self._case = row.case.family, ""
            print()
            print(self._in(_BOLD, f"{row.case.family:{_WIDTH}}") + self._in(_DIM, _HEADINGS[_WIDTH:]
                  + f"{'tolerance':>9}"))  # fmt: skip
        name = "" if row.case.name == self._case else row.case.name
        self._case = row.case.name
        if len(name) >= _WIDTH - 2:
            print(f"  {name}")
            name = ""
        shown = columns(row)
        line = (
            f"  {name:{_WIDTH - 2}}{row.dtype:9}{row.backend:9}{shown.output:>9}{shown.dx:>9}   "
            f"{shown.others:66}{shown.tolerance:>9}  {shown.verdict}"
        )
        print(line if row.passed else self._in(_RED, line), flush=True)

    def finish(self, rows: Sequence[Row], seconds: float) -> None:
        """The families, the red rows once more, and the totals."""
        print()
        print(self._in(_BOLD, f"{'family':40}{'cases':>6}{'rows':>7}{'failed':>8}") + "   worst")
        for family in summaries(rows):
            worst = "   ".join(f"{dtype} {number(e):8}" for dtype, e in family.worst.items())
            line = f"{family.family:40}{family.cases:6}{family.rows:7}{family.failed:8}   {worst}"
            print(self._in(_RED, line) if family.failed else line)
        for row in rows:
            if not row.passed:
                told = row.problem or ", ".join(f"{n} {number(row.errors[n])}" for n in row.red)
                print(self._in(_RED, f"FAIL {row.case.id} | {row.dtype} {row.backend}: {told}"))
                if row.case.note:
                    print(f"     {row.case.note}")
        print()
        print(self._in(_BOLD, f"{totals(rows)}, {seconds:.0f} s"))

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._coloured else text
