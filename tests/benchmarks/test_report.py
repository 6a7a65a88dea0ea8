import json

import pytest

from benchmarks.contender import Costs, Result
from benchmarks.linear import line
from benchmarks.plot import draw_bars, draw_lines
from benchmarks.report import Case, Spread, as_numbers, fastest_peer, ratios, table, write_json


def result(name, values, peer):
    return Result(name, peer, values, 300 * 2**20, Costs(1.0, 100 * 2**20, 2.0, 3.0), "way", {})


@pytest.fixture
def results():
    return [
        result("tinyconv (numba)", [1.0, 2.0, 1.0, 3.0], False),
        result("tf.keras", [4.0, 4.0, 5.0, 4.0], True),
        result("PyTorch", [2.0, 2.0, 8.0, 2.0], True),
    ]


def test_ratios_are_of_the_same_round(results):
    ours, keras, _ = results
    assert ratios(ours, keras) == [0.25, 0.5, 0.2, 0.75]


def test_the_fastest_peer_is_never_ours(results):
    assert fastest_peer(results) is results[2]
    assert fastest_peer(results[:1]) is None


@pytest.mark.parametrize(
    ("values", "spread"),
    [([2.0], (2, 2, 2)), ([1.0, 3.0], (1.5, 2, 2.5)), ([1.0, 2, 3, 4, 5], (2, 3, 4))],
)
def test_spread(values, spread):
    assert Spread.of(values) == spread


def test_numbers_hold_everything(results):
    numbers = as_numbers(Case("work", (), "batch"), results)
    assert numbers["fastest_peer"] == "PyTorch"
    assert numbers["unit"] == "batch"
    assert "compilation" in numbers["excluded"]
    ours = numbers["ratio_to_fastest_peer"]["tinyconv (numba)"]
    assert ours["rounds"] == [0.5, 1.0, 0.125, 1.5]
    assert (ours["low"], ours["median"], ours["high"]) == (0.40625, 0.75, 1.125)
    assert numbers["contenders"]["PyTorch"] == {
        "peer": True, "values": [2.0, 2.0, 8.0, 2.0], "median": 2.0, "setting": "way",
        "tried": {}, "peak_memory": 300 * 2**20, "import_memory": 100 * 2**20,
        "import_seconds": 1.0, "build_seconds": 2.0, "first_turn_seconds": 3.0,
    }  # fmt: skip


def test_table_shows_the_ratio_to_the_fastest_peer(results):
    title, _head, ours, *_, base = table(Case("work", ()), results).splitlines()
    assert title == "work"
    assert ours.split() == [
        "tinyconv", "(numba)", "1500.00", "0.75", "(0.41", "to", "1.12)", "300", "100", "3.0", "s",
        "way",
    ]  # fmt: skip
    assert "PyTorch, the fastest peer" in base


def test_without_a_peer_there_is_no_ratio(results):
    numbers = as_numbers(Case("work", ()), results[:1])
    assert (numbers["fastest_peer"], numbers["ratio_to_fastest_peer"]) == (None, {})
    assert "peer" not in table(Case("work", ()), results[:1])


def test_the_file_tells_machine_and_versions(tmp_path):
    write_json(tmp_path / "new" / "step.json", {"work": 1}, "python -m benchmarks step")
    content = json.loads((tmp_path / "new" / "step.json").read_text())
    assert content["results"] == {"work": 1}
    assert content["command"] == "python -m benchmarks step"
    assert content["machine"]["cores"] >= 1
    assert content["machine"]["cpu"]
    assert {"numpy", "numba"} <= set(content["machine"]["versions"])
    assert len(content["date"]) == len("2026-01-01")


def test_line_through_points_on_a_line():
    assert line([8, 16, 512], [1 + 0.5 * batch for batch in (8, 16, 512)]) == pytest.approx(
        (1, 0.5)
    )


def test_a_batch_that_is_off_the_line_is_seen():
    times = [0.1 + 0.01 * batch for batch in (8, 16, 32, 64, 128, 256)] + [2 * 5.22]
    constant, rate = line((8, 16, 32, 64, 128, 256, 512), times)
    assert times[-1] / (constant + rate * 512) > 1.15


def test_bars_are_drawn_as_png(results, tmp_path):
    work = as_numbers(Case("work", ()), results)
    alone = as_numbers(Case("alone", ()), results[:1])
    draw_bars({"work": work, "alone": alone}, tmp_path / "bars.png")
    assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_lines_are_drawn_as_png(tmp_path):
    found = {"seconds_a_step": {"8": [1.0, 2.0], "16": [3.0]}, "constant": 0.5, "rate": 0.1}
    draw_lines({"tf.keras": found}, tmp_path / "lines.png")
    assert (tmp_path / "lines.png").read_bytes().startswith(b"\x89PNG")
