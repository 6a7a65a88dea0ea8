"""docs/images: what the pages draw, no more and no less, and small enough for a telephone."""

import pytest

from tests.docs import pages, pictures

README = (pages.ROOT / "README.md").read_text(encoding="utf-8")


def test_every_picture_is_shown_and_every_one_shown_is_there():
    shown = {name for page in pages.DOCS.rglob("*.md") for name in pages.pictures(page.read_text())}
    shown |= set(pages.pictures(README))
    assert {path.name for path in pictures.IMAGES.iterdir()} == shown


@pytest.mark.parametrize("path", sorted(pictures.IMAGES.iterdir()), ids=lambda path: path.stem)
def test_a_picture_is_small(path):
    assert path.stat().st_size < pictures.LARGEST


def test_the_picture_of_the_readme(tmp_path):
    pictures.train_digits(tmp_path)
    apart = pictures.difference(tmp_path / pictures.README, pictures.IMAGES / pictures.README)
    assert apart < pictures.LIMIT


def drawn(path, at, shade=0, size=(400, 300)):
    """A white picture with a square of a number's size."""
    from PIL import Image

    image = Image.new("L", size, 255)
    image.paste(shade, (*at, at[0] + 24, at[1] + 24))
    image.save(path)
    return path


def test_a_picture_that_is_stale_is_noticed(tmp_path):
    kept = drawn(tmp_path / "kept.png", (100, 100))
    assert pictures.difference(kept, kept) == 0
    near = drawn(tmp_path / "near.png", (101, 100), 20)
    assert pictures.difference(near, kept) < pictures.LIMIT
    for number, other in enumerate([((160, 100),), ((100, 100), 160), ((100, 100), 0, (400, 301))]):
        stale = drawn(tmp_path / f"{number}.png", *other)
        assert pictures.difference(stale, kept) > pictures.LIMIT
