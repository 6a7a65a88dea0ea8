"""`python -m benchmarks why`, and the page that its tables stand on."""

import json
import re
from pathlib import Path

import pytest

from benchmarks import page, why
from benchmarks.__main__ import RESULTS, Options, main
from benchmarks.contender import Costs, Result
from benchmarks.lineup import USUAL
from benchmarks.report import as_numbers, write_json

ROOT = Path(__file__).parents[2]
TEXT = page.PAGE.read_text(encoding="utf-8")


def cases(**options):
    return why.cases(Options(quick=True, contenders=list(USUAL), only="", rounds=1, **options))


def made_up():
    """Numbers in which the first way takes 1 to 3 s, and each one after it half of that."""
    found = {}
    for case in cases():
        results = [
            Result(
                each.name, each.peer, [time / 2**number for time in (1, 2, 3)], 2**30,
                Costs(1.0, 1, 1.0, 1.0), "", {},
            )
            for number, each in enumerate(case.contenders)
        ]  # fmt: skip
        found[case.title] = as_numbers(case, results)
    return found


@pytest.fixture
def numbers(tmp_path):
    file = tmp_path / "why.json"
    write_json(file, made_up(), "python -m benchmarks why")
    return file


# ---- the page ---------------------------------------------------------------------------


def test_page_and_numbers_agree():
    file = RESULTS / "why.json"
    expected = page.NOT_MEASURED
    if file.exists():
        expected = page.tables(json.loads(file.read_text(encoding="utf-8")))
    assert page.written() == expected


def test_every_file_that_the_page_names_exists():
    names = set(re.findall(r"`([\w./]+\.(?:py|md|json))`", TEXT))
    assert len(names) > 20
    known = {path.name for path in (ROOT / "tinyconv").rglob("*.py")}
    missing = [n for n in names if not (ROOT / n).is_file() and ("/" in n or n not in known)]
    assert missing == []


def test_the_example_has_as_many_products_as_the_page_says():
    case = next(iter(why.cases(Options(quick=False, contenders=[], only="", rounds=1))))
    assert round(case.contenders[0].options["case"].products / 1e6) == 116
    assert "116 million products" in TEXT
    assert why.BATCH * why.FILTERS == 2048
    assert "multiplied by 2,048" in TEXT
    assert "2,048 times" in page._CONVOLUTION["Python loops, scaled"][0]


def test_tables_are_put_between_the_marks(numbers, tmp_path):
    target = tmp_path / "page.md"
    target.write_text(TEXT, encoding="utf-8")
    page.write(numbers, target)
    page.write(numbers, target)
    text = target.read_text(encoding="utf-8")
    assert text.count(page.BEGIN) == text.count(page.END) == 1
    assert text.partition(page.BEGIN)[0] == TEXT.partition(page.BEGIN)[0]
    assert text.partition(page.END)[2] == TEXT.partition(page.END)[2]
    assert page.written(target) == page.tables(json.loads(numbers.read_text()))


def test_tables_hold_every_way_and_what_it_has_bought(numbers):
    made = page.tables(json.loads(numbers.read_text()))
    rows = [line.strip("| ").split(" | ") for line in made.splitlines() if line.startswith("| ")]
    shown = [row[0] for row in rows]
    for known in (page._CONVOLUTION, page._BLOCK, page._STEP):
        assert {text for text, _ in known.values()} <= set(shown)
    compiled = rows[shown.index("the same loops compiled, one thread")]
    assert compiled[1:6] == ["1,000 (750–1,250)"] * 3 + ["3,000", "2"]
    assert "a step" in made
    assert "PyTorch's" in made


def test_every_way_has_its_line_on_the_page():
    names = [[each.name for each in case.contenders] for case in cases()]
    lines = [page._CONVOLUTION] * 3 + [page._BLOCK] * 2 + [page._STEP]
    assert names == [list(each) for each in lines]


# ---- what is measured ---------------------------------------------------------------------


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("direction", why.DIRECTIONS)
def test_a_turn_of_the_block(direction, fused, as_before):
    assert why.block("implicit_gemm", fused, direction, 2, 0.0)() > 0


@pytest.mark.parametrize("way", why.STEPS.values())
def test_a_turn_of_the_step(way, as_before):
    assert why.step(*way, batch=2, steps=2)() > 0


@pytest.fixture
def as_before():
    """Backend and plan are what they were before the test."""
    from tinyconv import backends, config

    backend, planning = backends.get_backend(), config.planning()
    yield
    backends._current = backend
    config.set_planning(planning)


def test_from_the_command_to_its_files(tmp_path, capsys):
    numbers, picture = tmp_path / "why.json", tmp_path / "why.png"
    main(
        ["why", "--quick", "--rounds", "1", "--only", "pool: forward", "--contenders", "numba",
         "--json", str(numbers), "--plot", str(picture)]
    )  # fmt: skip
    assert "its block with bias, ReLU and pool: forward" in capsys.readouterr().out
    content = json.loads(numbers.read_text())
    assert content["command"].startswith("python -m benchmarks why --quick")
    (case,) = content["results"].values()
    assert list(case["contenders"]) == list(page._BLOCK)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_docs_alone_takes_the_numbers_that_there_are(monkeypatch, tmp_path, numbers):
    target = tmp_path / "page.md"
    target.write_text(TEXT, encoding="utf-8")
    written = []
    monkeypatch.setattr(page, "write", written.append)
    main(["why", "--docs"])
    assert written == [RESULTS / "why.json"]
