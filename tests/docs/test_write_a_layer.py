"""docs/write-a-layer.md: every program runs and prints what the page says."""

from tests.docs import pages

NAME = "write-a-layer.md"


def test_the_programs():
    names = pages.run(pages.read(NAME))
    assert {"LeakyReLU", "DepthwiseConv2D"} <= set(names)
    assert names["accuracy"] > 0.85


def test_both_layers_are_checked():
    checked = [
        program for program in pages.programs(pages.read(NAME)) if "gradcheck(" in program.code
    ]
    assert len(checked) == 4
    assert "DIFFER" in checked[1].output


def test_the_files_that_the_page_names():
    assert pages.missing_files(NAME) == []
