import json

import pytest

from benchmarks import lineup
from benchmarks.__main__ import SIDE_BY_SIDE, Options, main
from benchmarks.lineup import line_up, present


def questions():
    import importlib

    names = [name for name in SIDE_BY_SIDE if name not in ("linear", "conv", "why", "import")]
    return [importlib.import_module(f"benchmarks.{name}") for name in names]


def test_step_from_the_command_to_its_files(tmp_path, capsys):
    numbers, picture = tmp_path / "step.json", tmp_path / "step.png"
    main(
        ["step", "--quick", "--rounds", "2", "--only", "dense, batch 32", "--contenders", "numba",
         "tf.keras", "--json", str(numbers), "--plot", str(picture)]
    )  # fmt: skip
    title = "training step through fit: dense, batch 32"
    shown = capsys.readouterr().out
    assert title in shown
    assert "tf.keras, the fastest peer" in shown
    (work,) = json.loads(numbers.read_text())["results"].items()
    assert work[0] == title
    contenders = work[1]["contenders"]
    assert list(contenders) == ["tinyconv (numba)", "tf.keras"]
    assert all(len(each["values"]) == 2 for each in contenders.values())
    # TensorFlow was imported in the one process, and not in the other.
    ours, theirs = (each["import_memory"] for each in contenders.values())
    assert theirs > 2 * ours
    ratio = work[1]["ratio_to_fastest_peer"]
    assert ratio["tf.keras"]["rounds"] == [1.0, 1.0]
    assert ratio["tinyconv (numba)"]["median"] > 0
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_linear_tells_how_far_from_a_line_and_from_proportion(tmp_path, capsys):
    numbers = tmp_path / "linear.json"
    main(["linear", "--quick", "--rounds", "2", "--contenders", "numba", "--json", str(numbers)])
    shown = capsys.readouterr().out
    assert "with a constant: " in shown
    assert "without a constant: an image takes up to " in shown
    (found,) = json.loads(numbers.read_text())["results"].values()
    assert list(found["seconds_a_step"]) == ["8", "16", "32"]
    assert [len(each) for each in found["seconds_a_step"].values()] == [2, 2, 2]
    for batch, middle, away in zip(
        (8, 16, 32), found["medians"], found["away_from_line"], strict=True
    ):
        line = found["constant"] + found["rate"] * batch
        assert middle == pytest.approx(line * (1 + away))
    assert found["largest_distance_from_line"] == max(map(abs, found["away_from_line"]))
    ratios = found["image_over_that_in_largest_batch"]
    assert ratios[0] == pytest.approx(found["medians"][0] / 8 / (found["medians"][2] / 32))
    assert ratios[2] == 1
    assert found["largest_distance_from_proportion"] == max(abs(each - 1) for each in ratios)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("question", questions())
def test_every_case_has_all_contenders(question, quick):
    options = Options(quick=quick, contenders=list(lineup.USUAL), only="", rounds=1)
    cases = options.chosen(question.cases(options))
    assert len({case.title for case in cases}) == len(cases)
    for case in cases:
        names = [each.name for each in case.contenders]
        assert len(set(names)) == len(names)
        assert {"tinyconv (numba)", "tf.keras", "PyTorch"} <= set(names)
        peers = {each.name for each in case.contenders if each.peer}
        assert peers == {"tf.keras", "PyTorch"}


def test_the_narrow_processor_is_ours_in_the_row_that_asks_for_it():
    options = Options(quick=False, contenders=["numba", "tf.keras"], only="cnn, batch 32")
    (case,) = options.chosen(questions()[0].cases(options))
    narrow = next(each for each in case.contenders if "AVX2" in each.name)
    assert narrow.environment["NUMBA_CPU_NAME"] == "haswell"
    assert narrow.environment["NUMBA_CPU_FEATURES"] == "+avx2,+fma"
    assert not narrow.peer


def test_what_is_not_installed_is_told_and_left_out(monkeypatch, capsys):
    monkeypatch.setattr(lineup, "find_spec", lambda name: None if name == "torch" else name)
    assert present(["numba", "tf.keras", "torch"]) == ["numba", "tf.keras"]
    assert "without torch, which is not installed" in capsys.readouterr().err


def test_backends_of_ours_are_contenders_apart():
    numba, numpy = line_up(["numba", "numpy"], "a:b", "c:d", {"network": "cnn"})
    assert (numba.name, numpy.name) == ("tinyconv (numba)", "tinyconv (numpy)")
    assert numpy.environment["TINYCONV_BACKEND"] == "numpy"
    assert numpy.options == {"network": "cnn", "library": "tinyconv"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["step", "--only", "transformer"], "in none of these"),
        (["all", "--json", "x.json"], "all writes into --out"),
        (["accuracy", "--plot", "x.png"], "accuracy draws no picture"),
        (["speed"], "invalid choice: 'speed'"),
        (["step", "--contenders", "jax"], "invalid choice: 'jax'"),
        (["step", "--docs"], "--docs is for why and expected"),
        (["why", "--quick", "--docs"], "--docs shows a whole measurement"),
    ],
)
def test_wrong_arguments(arguments, told, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert told in str(stop.value) + capsys.readouterr().err
