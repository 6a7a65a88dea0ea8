"""docs/differences.md: every line names cases that exist, and that prove it."""

import re
from pathlib import Path

import pytest

from parity.cases import all_cases

TEXT = (Path(__file__).parents[2] / "docs" / "differences.md").read_text(encoding="utf-8")
LINES = [
    line
    for line in TEXT.splitlines()
    if line.startswith("| ") and line[2:7] not in ("about", "--- |")
]
IDS = {case.id for case in all_cases()}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("|")[1].strip())
def test_line(line: str):
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert len(cells) == 4
    proofs = re.findall(r"`([^`]+)`", cells[-1])
    assert proofs
    assert [proof for proof in proofs if proof not in IDS] == []


def test_there_are_lines():
    assert len(LINES) > 25
