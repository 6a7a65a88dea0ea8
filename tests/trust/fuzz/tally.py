"""What became of the files, and the table of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

MOST_MEMORY = 1 << 30  # bytes that reading one file may take


@dataclasses.dataclass
class Result:
    """What became of one file.

    Attributes:
        number: of the file.
        what: was done to it.
        outcome: "accepted", the name of the error, or "broken".
        wrong: which promise was broken; "" for none.
        seconds: of computing.
        memory: bytes that reading took at its highest.
    """

    number: int
    what: str
    outcome: str
    wrong: str = ""
    seconds: float = 0.0
    memory: int = 0


@dataclasses.dataclass
class Tally:
    """Results of the files of one reader, added up.

    Attributes:
        outcomes: how many files came to each.
        slowest, most: (seconds of computing, bytes of memory) with the number of the file.
        seconds: of computing, all together.
        broken: the results that should not be.
    """

    reader: str
    outcomes: Counter[str] = dataclasses.field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    most: tuple[int, int] = (0, -1)
    seconds: float = 0.0
    broken: list[Result] = dataclasses.field(default_factory=list)

    def add(self, result: Result) -> None:
        """One file more."""
        self.outcomes[result.outcome] += 1
        self.slowest = max(self.slowest, (result.seconds, result.number))
        self.most = max(self.most, (result.memory, result.number))
        self.seconds += result.seconds
        if result.wrong:
            self.broken.append(result)

    @classmethod
    def of_all(cls, tallies: Sequence[Tally]) -> Tally:
        """Those of several readers."""
        total = cls("all")
        for each in tallies:
            total.outcomes += each.outcomes
            total.slowest, total.most = max(total.slowest, each.slowest), max(total.most, each.most)
            total.seconds += each.seconds
            total.broken += each.broken
        return total


_TITLES = ("reader", "files", "accepted", "refused with", "ms each", "slowest s", "MiB", "broken")


def table(tallies: Sequence[Tally]) -> str:
    """A row a reader, and one for all."""
    rows = [_TITLES, *(_row(each) for each in (*tallies, Tally.of_all(tallies)))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_TITLES))]
    lines = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def _row(tally: Tally) -> tuple[str, ...]:
    files = tally.outcomes.total()
    errors = [
        each for each in tally.outcomes.most_common() if each[0] not in ("accepted", "broken")
    ]
    return (
        tally.reader,
        f"{files:,}",
        f"{tally.outcomes['accepted']:,}",
        ", ".join(f"{name} {count:,}" for name, count in errors) or "-",
        f"{1e3 * tally.seconds / max(files, 1):.1f}",
        f"{tally.slowest[0]:.2f}",
        f"{tally.most[0] / 2**20:.0f}",
        f"{tally.outcomes['broken']:,}",
    )
