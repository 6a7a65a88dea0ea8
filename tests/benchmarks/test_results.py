"""benchmarks/results: one format, which everything that reads it understands."""

import json
import re

import pytest

from benchmarks.__main__ import RESULTS, module_of
from benchmarks.contender import Costs, Result
from benchmarks.report import Case, as_numbers, ratios

FILES = sorted(RESULTS.glob("*.json"))
README = (RESULTS / "README.md").read_text(encoding="utf-8")

EXAMPLE = as_numbers(Case("", ()), [Result("", True, [1.0], 1, Costs(1.0, 1, 1.0, 1.0), "", {})])


def read(file):
    return json.loads(file.read_text(encoding="utf-8"))


def question(file):
    """The module that has made it; the command names it, or `all`."""
    (named,) = re.match(r"python -m benchmarks (\w+)", read(file)["command"]).groups()
    assert named == "all" or file.stem.startswith(named)
    return module_of(file.stem if named == "all" else named)


SIDE_BY_SIDE = [file for file in FILES if hasattr(question(file), "cases")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file(file):
    content = read(file)
    assert list(content) == ["command", "machine", "date", "results"]
    assert set(content["machine"]) == {"cpu", "cores", "python", "versions"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", content["date"])
    assert content["results"]


@pytest.mark.parametrize("file", SIDE_BY_SIDE, ids=lambda file: file.stem)
def test_side_by_side(file):
    for case in read(file)["results"].values():
        assert case.keys() == EXAMPLE.keys()
        for each in case["contenders"].values():
            assert each.keys() == EXAMPLE["contenders"][""].keys()
        if case["fastest_peer"] is None:
            assert case["ratio_to_fastest_peer"] == {}
            continue
        assert case["contenders"][case["fastest_peer"]]["peer"]
        made = {
            name: Result(name, each["peer"], each["values"], 0, Costs(0, 0, 0, 0), "", {})
            for name, each in case["contenders"].items()
        }
        for name, ratio in case["ratio_to_fastest_peer"].items():
            assert ratio["rounds"] == pytest.approx(ratios(made[name], made[case["fastest_peer"]]))
            assert ratio["low"] <= ratio["median"] <= ratio["high"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_its_picture_can_be_drawn(file, tmp_path):
    if draw := getattr(question(file), "draw", None):
        draw(read(file)["results"], tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_every_file_is_explained():
    files = {file.name for file in RESULTS.iterdir()} - {"README.md"}
    assert files <= set(re.findall(r"`(\w+\.\w+)`", README))
