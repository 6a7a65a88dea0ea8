"""`python -m parity` as a person runs it."""

import json
import sys
from pathlib import Path

import pytest

from parity.__main__ import cases, main
from parity.plants import PLANTS


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["parity", *map(str, arguments)])
    return main()


def test_green(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path):
    page, numbers = tmp_path / "parity.html", tmp_path / "parity.json"
    options = ("--html", page, "--json", numbers, "--examples", 0)
    assert run(monkeypatch, "-k", "rescaling: ", *options) == 0
    printed = capsys.readouterr().out
    assert "exact constants" in printed
    assert "16 rows" in printed
    assert "all pass" in printed
    content = json.loads(numbers.read_text(encoding="utf-8"))
    assert content["passed"]
    assert len(content["rows"]) == 16
    assert set(content["rows"][0]["errors"]) == {"output", "dx"}
    text = page.read_text(encoding="utf-8")
    assert "all rows agree" in text
    assert text.count("<tr class") == 16
    assert "http" not in text.replace("http://www.w3.org", "")  # nothing is loaded from elsewhere


def test_red(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path):
    (plant,) = [plant for plant in PLANTS if plant.name == "a Rescaling gradient without the scale"]
    page, numbers = tmp_path / "parity.html", tmp_path / "parity.json"
    with plant.planted("numpy"):
        options = ("--backend", "numpy", "--dtype", "float32", "--html", page, "--json", numbers)
        assert run(monkeypatch, "-k", "rescaling: exact", "--examples", 0, *options) == 1
    printed = capsys.readouterr().out
    assert "FAIL Rescaling: exact constants | float32 numpy: dx" in printed
    assert "1 rows disagree" in page.read_text(encoding="utf-8")
    assert not json.loads(numbers.read_text(encoding="utf-8"))["passed"]


def test_a_side_that_raises_is_a_red_row(monkeypatch: pytest.MonkeyPatch, capsys):
    from tinyconv.layers import Flatten

    monkeypatch.setattr(Flatten, "backward", None)
    assert run(monkeypatch, "-k", "flatten: 3-D", "--backend", "numpy", "--examples", 0) == 1
    assert "TypeError" in capsys.readouterr().out


def test_no_such_case(monkeypatch: pytest.MonkeyPatch, capsys):
    assert run(monkeypatch, "-k", "no such case", "--quick") == 2
    assert "no such case" in capsys.readouterr().err


def test_sets():
    quick, full = cases(quick=True), cases(quick=False)
    assert len(quick) < len(full)
    assert {case.id for case in quick if not case.family.startswith("random ")} < {
        c.id for c in full
    }
    assert len(cases(quick=True, examples=3, name="random networks")) <= 3
