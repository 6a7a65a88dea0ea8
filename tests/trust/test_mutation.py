"""The short form of `python -m tests.trust.mutation`: a project of ten lines, and its mutants."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trust import building, mutation
from tests.trust.mutants import changes, mutants

SOURCE = '''
from warnings import warn

LIMIT = 8

def clamped(value: int, low: int = 0) -> int:
    """Left alone."""
    if value < low and not value > LIMIT:
        raise ValueError(f"below {low + 1}")
    warn("close to", value - low)
    value.total += spread(low, value)
    return max(low, value)
'''
CHANGED = {
    "LIMIT = (9)", "LIMIT = (7)", "low: int = (1)", "low: int = (-1)",
    "(value <= low) and", "(value < low or not value > LIMIT)",
    "if (not (value < low and (not value > LIMIT))):", "and (value > LIMIT)", "(value >= LIMIT)",
    "value.total -= spread(low, value)", "spread(value, low)", "return None",
}  # fmt: skip


def test_every_kind_of_mistake_is_made_once():
    made = [each.apply(SOURCE) for each in mutants(SOURCE)]
    assert len(made) == len(set(made))
    for change in CHANGED:
        assert sum(change in each for each in made) == 1, change
    left_out = [each for each in mutants(SOURCE) if each.after == "pass"]
    assert [each.before.split()[0] for each in left_out] == [
        "raise", 'warn("close', "value.total"
    ]  # fmt: skip
    assert len(made) == len(CHANGED) + len(left_out)
    assert all(ast.parse(each) and "Left alone." in each for each in made)


def test_swapping_equal_arguments_changes_nothing():
    (swapped,) = mutants("f(a, a)\n")
    assert not changes(swapped, "f(a, a)\n")


def test_the_interval_is_wilsons():
    """Newcombe 1998, table I: 81 of 263."""
    low, high = mutation.interval(81 / 263, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> str:
    """Of a campaign in a project whose test misses two mistakes."""
    project = tmp_path_factory.mktemp("project")
    for name, text in {
        "tinyconv/__init__.py": "",
        "tinyconv/middle.py": (
            "def middle(low, high):\n"
            "    if high < low:\n"
            "        low, high = high, low\n"
            "    return (low + high) / 2\n"
            "\n"
            "def unseen(x):\n"
            "    return x * 3\n"
        ),
        "tests/__init__.py": "",
        "tests/test_middle.py": (
            "from tinyconv.middle import middle\n"
            "def test_middle():\n"
            "    assert middle(1, 2) == middle(2, 1) == 1.5\n"
        ),
    }.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    command = [sys.executable, "-m", "tests.trust.mutation", "--project", str(project)]
    run = subprocess.run(command, cwd=building.ROOT, capture_output=True, text=True, check=True)
    assert (project / "tinyconv/middle.py").read_text().count("middle(low, high)") == 1
    return run.stdout


def test_what_no_test_sees_survives(printed):
    """That the two are swapped makes no difference to the sum: an equivalent mutant."""
    survivors = {line.strip() for line in printed.splitlines() if line.startswith("  survived")}
    place = "survived tinyconv/middle.py:"
    assert survivors == {
        f"{place}2: comparison: high < low -> (high <= low)",
        f"{place}2: logic: high < low -> (not (high < low))",
        f"{place}7: arithmetic: x * 3 -> (x / 3)",
        f"{place}7: constant: 3 -> (4)",
        f"{place}7: constant: 3 -> (2)",
        f"{place}7: statement: return x * 3 -> return None",
    }
    killed = [line for line in printed.splitlines() if line.startswith("failed")]
    assert any("low + high -> (low - high)" in line for line in killed)
    assert "5 of 11 mutants killed, 45.5%" in printed


def test_the_targets_are_there():
    for name, target in mutation.TARGETS.items():
        for pattern in target.sources:
            assert list(building.ROOT.glob(pattern)), name
        assert Path(building.ROOT, target.tests[0]).is_dir()
