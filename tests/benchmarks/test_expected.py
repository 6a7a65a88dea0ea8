"""`python -m benchmarks expected`, and its table in the README."""

import json

import pytest

from benchmarks import expected, marks, one_example
from benchmarks.__main__ import RESULTS, Options, main
from benchmarks.expected import Example, Form, Run
from tinyconv.data import fashion_mnist

SCRIPT = """
import sys
import tinyconv
from pathlib import Path

assert tinyconv.get_backend().name == sys.argv[2], tinyconv.get_backend()
assert Path("photograph.jpg").stat().st_size > 1000
Path("left.txt").write_text("mine alone")
if sys.argv[1] == "fail":
    raise SystemExit("there is no such file")
"""


def example(folder, *options):
    (folder / "99_made_up.py").write_text(SCRIPT)
    forms = (Form("a quarter", options),)
    return Example("99_made_up.py", "nothing", Form("the least", options), forms)


def test_every_example_is_measured_and_said_how():
    scripts = [each.script for each in expected.EXAMPLE_LIST]
    assert scripts == sorted(path.name for path in expected.EXAMPLES.glob("[0-9]*.py"))
    for quick in (False, True):
        runs = expected.runs(Options(quick=quick))
        assert len({each.title for each in runs}) == len(runs)
        assert {each.backend for each in runs} == {"numba", "numpy"}
    for each in expected.EXAMPLE_LIST:
        small = [form for form in each.forms if form.images >= 0 or "--images" in form.options]
        assert all(form.size for form in small)


def test_from_the_command_to_the_readme(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(expected, "EXAMPLES", tmp_path)
    monkeypatch.setattr(expected, "EXAMPLE_LIST", (example(tmp_path, "go", "numba"),))
    page, numbers = tmp_path / "README.md", tmp_path / "expected.json"
    page.write_text(f"before\n{marks.begin('expected')}\nold\n{marks.END}\nafter\n")
    main(
        ["expected", "--rounds", "2", "--only", "numba", "--json", str(numbers)]
    )  # fmt: skip
    assert "99_made_up.py, numba: a quarter" in capsys.readouterr().out
    (found,) = json.loads(numbers.read_text())["results"].values()
    assert len(found["seconds"]) == 2
    assert all(0.1 < each < 60 for each in found["seconds"])
    assert 50e6 < found["peak_memory"] < 2e9
    expected.write(numbers, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| [`99`](examples/99_made_up.py) | a quarter | nothing |" in text
    assert "| not run |" in text  # NumPy was not asked
    assert "old" not in text


def test_an_example_that_fails_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(expected, "EXAMPLES", tmp_path)
    made_up = example(tmp_path, "fail", "numpy")
    expected.prepare(tmp_path, set())
    with pytest.raises(RuntimeError, match=r"numpy: a quarter failed:\nthere is no such file"):
        expected.measure(Run(made_up, made_up.forms[0], "numpy"), tmp_path)
    assert not (tmp_path / "left.txt").exists()


def test_a_part_of_the_clothes(monkeypatch, tmp_path):
    data = (list(range(100)), list(range(100))), (list(range(9)), list(range(9)))
    monkeypatch.setattr(fashion_mnist, "load_data", lambda: data)
    one_example.shorten(7)
    (x_train, y_train), (x_test, _) = fashion_mnist.load_data()
    assert (len(x_train), len(y_train), len(x_test)) == (7, 7, 9)


def test_readme_and_numbers_agree():
    file, shown = RESULTS / "expected.json", expected.NOT_MEASURED
    if file.exists():
        shown = expected.tables(json.loads(file.read_text(encoding="utf-8")))
    assert marks.between(expected.PAGE, "expected") == shown


def test_a_page_without_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(ValueError, match=r"page\.md has no place for the tables of expected"):
        marks.put(page, "expected", "")
