"""`python -m tests.trust.fuzz`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from random import Random

from tests.trust.fuzz import workers
from tests.trust.fuzz.readers import READERS
from tests.trust.fuzz.tally import Tally, table


def campaign(name: str, files: int, seed: int, processes: int) -> Tally:
    """Read so many files with one reader; what must not be is printed as it comes."""
    tally = Tally(name)
    for result in workers.run(READERS[name], seed, range(files), processes):
        tally.add(result)
        if result.wrong:
            print(f"\n{name}: file {result.number} ({result.what}): {result.wrong}", flush=True)
    return tally


def main() -> int:
    """Status 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="files in all")
    parser.add_argument(
        "--reader", default=["all"], choices=["all", *READERS], nargs="+", metavar="NAME",
        help=f"all, or some of: {', '.join(READERS)}",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--file", type=int, help="this file of --reader alone, in this process")
    given = parser.parse_args()
    if given.file is not None:
        return _alone(given.reader[0], given.seed, given.file)
    names = list(READERS) if "all" in given.reader else given.reader
    whole, tallies = sum(READERS[name].share for name in names), []
    for name in names:
        files = max(1, round(given.count * READERS[name].share / whole))
        tallies.append(campaign(name, files, given.seed, given.processes))
        print(f"{name}: {files:,} files", file=sys.stderr, flush=True)
    print(table(tallies))
    return int(any(tally.broken for tally in tallies))


def _alone(name: str, seed: int, number: int) -> int:
    """Make a file again, say where it lies, and read it."""
    folder = tempfile.mkdtemp(prefix="tinyconv-fuzz-")
    os.chdir(folder)
    reader = READERS[name](Path(folder))
    print(reader.make(Random(f"{name} {seed} {number}")), reader.file, flush=True)
    print(reader.read())
    return 0


if __name__ == "__main__":
    sys.exit(main())
