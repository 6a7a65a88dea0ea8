"""What the campaign finds where there is something to find: readers that break each promise."""

import ctypes
import re
from collections import Counter
from pathlib import Path

import pytest

if not Path("/proc/self/status").exists():
    pytest.skip("the campaign measures memory as Linux tells it", allow_module_level=True)

from tests.trust.fuzz import workers
from tests.trust.fuzz.reader import Reader, require
from tests.trust.fuzz.tally import Result, Tally, table


class Planted(Reader):
    """File 2 of 4 does something that must not be."""

    name = "planted"

    def make(self, rng):
        self.bad = rng.random() < self.threshold
        return "made"

    threshold = 0.5

    def read(self):
        if self.bad:
            return self.break_it()
        raise ValueError(f"{self.file}: refused")

    def break_it(self):
        raise NotImplementedError


class Dies(Planted):
    def break_it(self):
        ctypes.string_at(0)


class Loops(Planted):
    threshold = 0.2

    def break_it(self):
        while True:
            pass


class Fills(Planted):
    def break_it(self):
        return len(bytearray(b"x") * (1200 << 20))


class AsksForAll(Planted):
    def break_it(self):
        try:
            return bytearray(1 << 40)
        except MemoryError as error:
            raise ValueError(f"{self.file}: {error}") from error


class WrongError(Planted):
    def break_it(self):
        raise KeyError("x")


class Nameless(Planted):
    def break_it(self):
        raise ValueError("refused")


class Commands(Planted):
    def break_it(self):
        raise ValueError(f"{self.file}: \x1b[2J")


class Changes(Planted):
    def break_it(self):
        self.changed = True
        raise ValueError(f"{self.file}: refused")

    def check_refused(self):
        require(not getattr(self, "changed", False), "it has changed")


class Useless(Planted):
    def break_it(self):
        return 3

    def check_accepted(self, result):
        require(result == 4, "it is no 4")


BROKEN = {
    Dies: "the process ended with -11",
    Fills: "took 1,[0-9]+ MiB",
    AsksForAll: "asked for more memory than there may be",
    WrongError: "KeyError",
    Nameless: "does not name the file",
    Commands: "cannot be shown",
    Changes: "it has changed",
    Useless: "it is no 4",
}


def tally_of(reader, files=8, processes=1):
    tally = Tally(reader.name)
    for result in workers.run(reader, 1, range(files), processes):
        tally.add(result)
    return tally


@pytest.mark.parametrize("reader", BROKEN, ids=lambda reader: reader.__name__)
def test_a_broken_promise_is_found(reader):
    tally = tally_of(reader)
    assert tally.broken
    for result in tally.broken:
        assert re.search(BROKEN[reader], result.wrong)
    rest = {} if len(tally.broken) == 8 else {"ValueError": 8 - len(tally.broken)}
    assert tally.outcomes == Counter(broken=len(tally.broken), **rest)


def test_what_computes_for_ever_is_ended(monkeypatch):
    monkeypatch.setattr(workers, "SECONDS", 0.3)
    tally = tally_of(Loops)
    assert tally.outcomes.total() == 8
    assert tally.broken
    assert all("computed for more than 0.3 s" in each.wrong for each in tally.broken)


def test_the_same_files_whoever_reads_them():
    several, one = tally_of(Nameless, processes=3), tally_of(Nameless)
    numbers = [sorted(each.number for each in tally.broken) for tally in (several, one)]
    assert numbers[0] == numbers[1]
    assert 0 < len(numbers[0]) < 8


def test_the_table():
    tally = Tally("x")
    for number, outcome in enumerate(["accepted", "ValueError", "ValueError", "OSError"]):
        tally.add(Result(number, "cut", outcome, "", 0.1 * number, number << 20))
    tally.add(Result(9, "cut", "broken", "it died"))
    rows = [re.split(" {2,}", row) for row in table([tally]).splitlines()]
    assert rows[0][0] == "reader"
    assert rows[1] == ["x", "5", "1", "ValueError 2, OSError 1", "120.0", "0.30", "3", "1"]
    assert rows[2] == ["all", *rows[1][1:]]
    assert [each.number for each in tally.broken] == [9]
