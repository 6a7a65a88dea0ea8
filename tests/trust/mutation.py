"""Do the tests notice a small mistake? Makes one at a time in a copy of the tree.

    python -m tests.trust.mutation --count 300          of each target, always the same ones
    python -m tests.trust.mutation --target optimizers  every mutant of one target

A first run of the tests records which of them run which line (the kernels that Numba compiles
are seen by no such record: for them the tests of those who call them are taken). Each mutant
then gets the tests of its line, quick and different ones first, up to a budget of seconds; the
first failure kills it. Survivors are printed, for a person to judge; `--again FILE` tries those
of an earlier run once more, with `--budget 1000` by all of their tests.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import math
import py_compile
import random
import re
import shlex
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.trust import building, mutation_runs
from tests.trust.mutants import Mutant, changes, mutants


class Target(NamedTuple):
    """Sources, as patterns of paths from the root, and the tests that belong to them.

    Attributes:
        imports: what the tests import that takes seconds, so that it is imported once.
    """

    sources: tuple[str, ...]
    tests: tuple[str, ...]
    imports: tuple[str, ...] = ()


SERIAL = "-k", "not numba and not cuda"
TARGETS = {
    "layers": Target(("tinyconv/layers/*.py",), ("tests/layers", *SERIAL)),
    "losses": Target(("tinyconv/losses/*.py",), ("tests/losses", *SERIAL)),
    "optimizers": Target(("tinyconv/optimizers/*.py",), ("tests/optimizers", *SERIAL), ("keras",)),
    "numpy": Target(
        ("tinyconv/backends/numpy/*.py",),
        ("tests/backends", "--ignore=tests/backends/cuda", "-k", "numpy"),
    ),
    "numba": Target(
        ("tinyconv/backends/numba/*.py", "tinyconv/backends/numba/convolution/*.py"),
        ("tests/backends", "--ignore=tests/backends/cuda", "-k", "numba"),
    ),
}
WHOLE = Target(("tinyconv/*.py",), ("tests",))  # of another project


class Place(NamedTuple):
    """A mutant and the file that it is in."""

    file: str
    mutant: Mutant

    def __str__(self) -> str:
        return f"{self.file}:{self.mutant}"


class Record(NamedTuple):
    """What a run of the tests without any mutant has shown."""

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]


class Tree:
    """A copy of a project that mistakes may be made in.

    Args:
        folder: where it is made.
        project: the root of the original.
    """

    def __init__(self, folder: Path, project: Path = building.ROOT) -> None:
        self.root, self.log = folder / "tree", folder / "log"
        if project == building.ROOT:
            building.copy_to(self.root)
            self._take_kernels()
        else:
            shutil.copytree(project, self.root)
        # Python looks at the time of a source in whole seconds; here it shall look at its content.
        how = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(self.root / "tinyconv", quiet=1, invalidation_mode=how)

    def _take_kernels(self) -> None:
        """Those that were compiled here before; a mutant's are compiled anew."""
        folder = "tinyconv/backends/numba/__pycache__"
        (self.root / folder).mkdir()
        for kernel in (building.ROOT / folder).glob("*.kernel"):
            shutil.copy2(kernel, self.root / folder)

    def places(self, target: Target) -> list[Place]:
        """Every mutant of the target's sources."""
        files = sorted(path for each in target.sources for path in self.root.glob(each))
        names = [path.relative_to(self.root).as_posix() for path in files]
        return [Place(name, each) for name in names for each in mutants(self.read(name))]

    def read(self, file: str) -> str:
        return (self.root / file).read_text()

    def record(self, target: Target, seconds: int = 3000) -> Record:
        """Run the tests as they are; RuntimeError if they fail."""
        out = self.root / "record.json"

        def work() -> int:
            recorder = mutation_runs.Recorder(self.root / "tinyconv")
            code = mutation_runs.run_tests(target.tests, [recorder])
            out.write_text(json.dumps([recorder.result(), recorder.seconds]))
            return code

        outcome = mutation_runs.in_child(work, self.root, self.log, seconds)
        if outcome != "passed":
            raise RuntimeError(f"without a mutant: {outcome}\n{self.log.read_text()[-3000:]}")
        lines, times = json.loads(out.read_text())
        return Record(
            {
                f"tinyconv/{file}": {int(line): tests for line, tests in each.items()}
                for file, each in lines.items()
            },
            times,
        )

    def outcome(self, place: Place, tests: list[str], seconds: int) -> str:
        """What becomes of the tests with this mutant in place: "passed" is bad news."""
        path, source = self.root / place.file, self.read(place.file)
        path.write_text(place.mutant.apply(source))
        try:
            return mutation_runs.in_child(
                lambda: mutation_runs.run_tests(tests), self.root, self.log, seconds
            )
        finally:
            path.write_text(source)


# ---- which tests ----------------------------------------------------------------


def tests_of(place: Place, record: Record, tree: Tree) -> list[str]:
    """Tests that run the mutant's line; of a compiled kernel, those that come close to it."""
    lines = record.lines.get(place.file, {})
    if found := lines.get(place.mutant.line):
        return found
    return _tests_of_file(place.file, record, tree, set())


def _tests_of_file(file: str, record: Record, tree: Tree, seen: set[str]) -> list[str]:
    """Those that run any line of the file, or else any of the files that import it."""
    seen.add(file)
    found = {test for tests in record.lines.get(file, {}).values() for test in tests}
    if not found:
        module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        package, _, name = module.rpartition(".")
        imports = re.compile(
            rf"from {re.escape(module)} import|from {re.escape(package)} import[^\n]*\b{name}\b"
        )
        for path in sorted((tree.root / "tinyconv").rglob("*.py")):
            other = path.relative_to(tree.root).as_posix()
            if other not in seen and imports.search(path.read_text()):
                found.update(_tests_of_file(other, record, tree, seen))
    return sorted(found)


def in_turn(tests: list[str], record: Record, budget: float, seed: int) -> list[str]:
    """One of each test function first, the quick ones first, up to `budget` seconds."""
    generator = random.Random(seed)
    functions: dict[str, list[str]] = {}
    for test in generator.sample(tests, len(tests)):
        functions.setdefault(test.partition("[")[0], []).append(test)
    rounds = [
        (number, record.seconds.get(test, 0.1), test)
        for variants in functions.values()
        for number, test in enumerate(variants)
    ]
    chosen, used = [], 0.0
    for number, seconds, test in sorted(rounds):
        if used + seconds <= budget or number == 0:
            chosen.append(test)
            used += seconds
    return chosen


# ---- the campaign ---------------------------------------------------------------


def sample(places: list[Place], tree: Tree, seed: int) -> Iterator[Place]:
    """All of them in a random order that depends on the seed alone."""
    for place in random.Random(seed).sample(places, len(places)):
        if changes(place.mutant, tree.read(place.file)):
            yield place


def interval(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % confidence interval of a share that was seen in `count` draws."""
    z = 1.96
    middle = share + z * z / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - half) / (1 + z * z / count), (middle + half) / (1 + z * z / count)


def campaign(target: Target, tree: Tree, options: argparse.Namespace) -> tuple[Counter, list]:
    """(how many of each outcome, the survivors)."""
    for name in target.imports:
        importlib.import_module(name)
    record = tree.record(target)
    known = options.again and options.again.read_text().splitlines()
    outcomes: Counter[str] = Counter()
    survivors = []
    for place in sample(tree.places(target), tree, options.seed):
        if outcomes.total() == options.count:
            break
        if known and f"  survived {place}" not in known:
            continue
        tests = in_turn(tests_of(place, record, tree), record, options.budget, options.seed)
        seconds = math.ceil(sum(record.seconds.get(test, 0.1) for test in tests))
        limit = options.patience + 3 * seconds
        outcome = tree.outcome(place, tests, limit) if tests else "no test"
        outcomes[outcome] += 1
        if outcome in ("passed", "no test"):
            survivors.append(place)
        print(f"{outcome:8} {place}", flush=True)
    return outcomes, survivors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: each")
    parser.add_argument("--count", type=int, help="mutants of each target; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=20, help="seconds of tests a mutant")
    parser.add_argument("--patience", type=int, default=60, help="seconds beyond three budgets")
    parser.add_argument("--again", type=Path, help="what an earlier run printed: its survivors")
    parser.add_argument("--sources", nargs="+", help="patterns, in place of the target's own")
    parser.add_argument("--tests", help="arguments for pytest, in place of the target's own")
    parser.add_argument("--project", type=Path, default=building.ROOT, help="with its tests/")
    options = parser.parse_args()
    own = options.project == building.ROOT
    targets = {name: TARGETS[name] for name in options.target or TARGETS} if own else {"": WHOLE}
    for name, target in targets.items():
        if options.tests:
            target = target._replace(tests=tuple(shlex.split(options.tests)))
        if options.sources:
            target = target._replace(sources=tuple(options.sources))
        with tempfile.TemporaryDirectory(prefix="tinyconv-mutants-") as folder:
            tree = Tree(Path(folder), options.project)
            outcomes, survivors = campaign(target, tree, options)
        total = outcomes.total()
        killed = total - len(survivors)
        low, high = interval(killed / total, total)
        print(f"\n{name}: {killed} of {total} mutants killed, {killed / total:.1%} "
              f"(95 % sure: {low:.1%} to {high:.1%}); {dict(outcomes)}")  # fmt: skip
        for place in survivors:
            print(f"  survived {place}")


if __name__ == "__main__":
    main()
