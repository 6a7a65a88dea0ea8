"""`python -m parity`: how far tinyconv and tf.keras are apart, line by line."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from parity import roundtrips
from parity.case import Case, Row
from parity.cases import all_cases
from parity.report.numbers import write_json
from parity.report.page import write_html
from parity.report.terminal import Table
from parity.run import DTYPES, rows
from tinyconv.backends import available_backends


def main() -> int:
    """Run the chosen cases; 0 if every row passes."""
    options = _options()
    if options.files:
        return roundtrips.main()
    if options.plants:
        return _plants(options.backend or available_backends())
    chosen = cases(options.quick, options.examples, options.k)
    if not chosen:
        print(f"no case is named like {options.k!r}", file=sys.stderr)
        return 2
    started, table = time.perf_counter(), Table()
    found: list[Row] = []
    for row in rows(chosen, options.backend or available_backends(), options.dtype or DTYPES):
        table.add(row)
        found.append(row)
    seconds = time.perf_counter() - started
    table.finish(found, seconds)
    if options.json:
        write_json(options.json, found, seconds)
    if options.html:
        write_html(options.html, found, seconds)
    return 0 if all(row.passed for row in found) else 1


def cases(quick: bool, examples: int | None = None, name: str = "") -> list[Case]:
    """The cases of a set, and that many random networks and graphs, whose ids contain `name`."""
    from parity.cases import random_graphs, random_networks

    found = [case for case in all_cases() if case.quick or not quick]
    for drawn in (random_networks, random_graphs):
        count = examples if examples is not None else drawn.count(quick)
        if count:
            found += drawn.cases(count)
    return [case for case in found if name.lower() in case.id.lower()]


def _plants(backends: list[str]) -> int:
    """Every planted error, and whether the rows that should turn red did."""
    from parity.plants import PLANTS, survivors

    survived = 0
    for plant in PLANTS:
        for backend in backends:
            missed = survivors(plant, backend)
            survived += bool(missed)
            verdict = f"SURVIVED {missed[0].case.id}" if missed else "caught"
            print(f"{plant.name:56}{backend:8}{verdict}", flush=True)
    print(f"{len(PLANTS)} planted errors, {survived} survived")
    return 1 if survived else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m parity", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the set that `make test` runs")
    parser.add_argument("-k", default="", metavar="NAME", help="cases whose name contains this")
    parser.add_argument(
        "--backend", action="append", choices=available_backends(), help="this one (repeatable)"
    )
    parser.add_argument("--dtype", action="append", choices=DTYPES, help="this one (repeatable)")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the page to this file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this file")
    parser.add_argument(
        "--examples", type=int, metavar="N", help="random networks and graphs to draw"
    )
    parser.add_argument("--files", action="store_true", help="models through files, both ways")
    parser.add_argument("--plants", action="store_true", help="plant errors: does it notice?")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
