"""docs/explain-a-prediction.md: its program runs, and what it names is there."""

import re

from tests.docs import pages
from tinyconv import explain

NAME = "explain-a-prediction.md"


def test_the_program(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pages.run(pages.read(NAME))
    assert (tmp_path / "report.html").stat().st_size > 50_000


def test_what_the_page_names():
    text = pages.read(NAME)
    assert pages.missing_files(NAME) == []
    for name in re.findall(r"`explain\.(\w+)", text):
        assert name in explain.__all__
