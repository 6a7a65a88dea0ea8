"""docs/01 to 08: every program runs and prints what the page says, every file named is there."""

import pytest

from tests.docs import pages, pictures

CHAPTERS = sorted(path.name for path in pages.DOCS.glob("0*.md"))


def test_there_are_eight_and_the_index_has_them_all():
    assert [name[:2] for name in CHAPTERS] == [f"0{number}" for number in range(1, 9)]
    index = pages.read("index.md")
    assert all(f"({name})" in index for name in CHAPTERS)


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_programs_of_a_chapter_and_its_pictures(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = pages.read(name)
    assert pages.run(text)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == set(pages.pictures(text))
    for each in drawn:
        apart = pictures.difference(tmp_path / each, pictures.IMAGES / each)
        assert apart < pictures.LIMIT, f"{each}: python -m tests.docs.pictures draws it anew"


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_is_complete(name):
    text = pages.read(name)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[-2:] == ["## Where to look", "## Exercise"]
    assert any("formula" in line for line in headings)
    assert "by hand" in text.lower()
    assert len(pages.programs(text)) >= 4
    assert 1 <= len(pages.pictures(text)) <= 3


@pytest.mark.parametrize("name", ["index.md", "why-it-is-fast.md", *CHAPTERS])
def test_the_files_that_a_page_names(name):
    assert pages.missing_files(name) == []


def test_a_wrong_page_is_noticed():
    right = "```python\nprint(1.25)\n```\n\n```text\n1.2...\n```\n"
    pages.run(right)
    for wrong in (right.replace("1.2...", "1.3"), right.replace("```text", "Then:\n\n```text")):
        with pytest.raises(AssertionError, match="but the page says"):
            pages.run(wrong)
