import subprocess
import sys

import pytest

from benchmarks.contender import Contender
from benchmarks.harness import alternate, one_after_the_other
from benchmarks.process import cores

HERE = "tests.benchmarks.contenders"


def test_every_contender_has_a_turn_a_round_after_its_warm_ups():
    contenders = [
        Contender("a", f"{HERE}:counting"),
        Contender("b", f"{HERE}:counting", {"first": 10.0}, peer=True),
    ]
    a, b = alternate(contenders, 3)
    assert (a.name, a.values, a.median, a.peer) == ("a", [3.0, 4.0, 5.0], 4.0, False)
    assert (b.name, b.values, b.peer) == ("b", [13.0, 14.0, 15.0], True)
    assert b.tried == {}
    assert (b.setting, a.costs.build_seconds >= 0) == ("", True)


def test_what_came_before_is_told_apart():
    imports = ("numpy",)
    (result,) = alternate([Contender("a", f"{HERE}:constant", {"seconds": 1.0}, {}, imports)], 1)
    assert result.costs.import_seconds > 0
    assert result.costs.first_turn_seconds > 0
    assert 10 * 2**20 < result.costs.import_memory <= result.peak_memory


def test_the_fastest_setting_is_taken():
    settings = {"slow": {"seconds": 3.0}, "fast": {"seconds": 1.0}, "middling": {"seconds": 2.0}}
    (result,) = alternate([Contender("a", f"{HERE}:constant", {}, settings)], 2)
    assert result.values == [1.0, 1.0]
    assert result.setting == "fast"
    assert result.tried == {"slow": 3.0, "fast": 1.0, "middling": 2.0}


def test_a_single_setting_is_not_tried():
    (result,) = alternate([Contender("a", f"{HERE}:counting", {}, {"only": {"first": 5.0}})], 1)
    assert (result.setting, result.tried, result.values) == ("only", {}, [8.0])


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"])
def test_all_cores_whatever_the_shell_says(monkeypatch, name):
    monkeypatch.setenv(name, "99")
    (result,) = alternate([Contender("a", f"{HERE}:environment", {"name": name})], 1)
    assert result.values == [cores()]


def test_a_contender_has_an_environment_of_its_own():
    options, settings = {"name": "TINYCONV_TEST"}, {}
    contenders = [
        Contender(
            f"{value}", f"{HERE}:environment", options, settings, (), {options["name"]: value}
        )
        for value in ("1", "2")
    ]
    assert [result.values for result in alternate(contenders, 1)] == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("failing", "broken: ValueError: no such network\nlook here"),
        ("dying", "broken: its process died\nlast words"),
    ],
)
def test_a_contender_that_fails_is_named_with_what_it_has_written(factory, message):
    with pytest.raises(RuntimeError, match=message):
        alternate([Contender("broken", f"{HERE}:{factory}")], 1)


def test_what_libraries_write_is_not_shown(capfd):
    alternate([Contender("a", f"{HERE}:talking")], 1)
    assert capfd.readouterr().err == ""


def test_pieces_of_work_one_after_the_other():
    contenders = [
        Contender("a", f"{HERE}:counting"),
        Contender("b", f"{HERE}:counting", {"other": 1}),
    ]
    pieces = [{"first": 10.0}, {"first": 20.0}]
    found = list(one_after_the_other(contenders, pieces, 2))
    assert found == [[[12.0, 13.0]] * 2, [[22.0, 23.0]] * 2]  # each turn but the first


def test_settings_that_were_tried_leave_nothing_behind():
    code = (
        "from benchmarks.contender import Contender\n"
        "from benchmarks.harness import alternate\n"
        "if __name__ == '__main__':\n"
        f"    alternate([Contender('a', '{HERE}:semaphore', {{}}, {{'x': {{}}, 'y': {{}}}})], 1)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stderr == ""
