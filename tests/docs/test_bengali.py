"""docs/bn/: the README and three chapters, with the blocks of the English pages."""

import unicodedata

import pytest

from tests.docs import pages

PAGES = sorted(path.name for path in (pages.DOCS / "bn").glob("*.md"))


def both(name):
    """(the English page, the Bengali page)."""
    readme = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    return readme if name == "README.md" else pages.read(name), pages.read(f"bn/{name}")


def test_what_there_is():
    chapters = {"01-convolution.md", "02-pooling.md", "03-dense-and-softmax.md"}
    assert set(PAGES) == chapters | {"README.md"}


@pytest.mark.parametrize("name", PAGES)
def test_the_blocks_are_those_of_the_english_page(name):
    english, bengali = both(name)
    assert pages.fences(bengali) == pages.fences(english)


@pytest.mark.parametrize("name", PAGES)
def test_the_sections_are_those_of_the_english_page(name):
    english, bengali = (text.count("\n## ") for text in both(name))
    assert bengali == english


@pytest.mark.parametrize("name", PAGES)
def test_the_files_that_a_page_names(name):
    assert pages.missing_files(f"bn/{name}") == []


@pytest.mark.parametrize("name", PAGES)
def test_each_letter_is_written_in_one_way(name):
    _, bengali = both(name)
    assert unicodedata.is_normalized("NFC", bengali)
