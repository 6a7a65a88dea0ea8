"""The pictures of docs/: drawn by the programs of the pages, and kept in docs/images.

python -m tests.docs.pictures draws all of them anew.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.docs import pages

IMAGES = pages.DOCS / "images"
CHAPTERS = sorted(path.name for path in pages.DOCS.glob("0*.md"))
README = "predictions.png"  # drawn by the command of `train_digits`
LARGEST = 150_000  # bytes
LIMIT = 0.05  # of `difference`: what a training found differs a little from machine to machine
_CELL, _PART = 8, 64  # pixels


@contextlib.contextmanager
def inside(folder):
    """Work in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def difference(one, other):
    """How far two pictures are from each other where they differ most, from 0 to 1.

    Compared are the mean brightnesses of cells, so that the last digit of a number or the edge
    of a letter counts for little; and it is the mean over parts of 8 x 8 cells that counts.
    """
    first, second = (_grey(path) for path in (one, other))
    if first.shape != second.shape:
        return 1.0
    apart = np.abs(_means(first, _CELL) - _means(second, _CELL))
    return float(_means(apart, _PART // _CELL).max())


def _grey(path):
    """Pixels from 0 to 1."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), "f4") / 255


def _means(values, size):
    """Of squares; what is left over at the right and below is filled up with its edge."""
    rows, cols = (-n % size for n in values.shape)
    whole = np.pad(values, ((0, rows), (0, cols)), "edge")
    H, W = whole.shape
    return whole.reshape(H // size, size, W // size, size).mean(axis=(1, 3))


def train_digits(folder):
    """Draw the picture of the README into a folder, as its caption says."""
    from typer.testing import CliRunner

    from tinyconv.cli.app import app

    command = ["train", "--dataset", "digits", "--epochs", "3", "--out", str(folder / "runs")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    (drawn,) = (folder / "runs").glob(f"*/{README}")
    drawn.replace(folder / README)


def main():
    """Draw everything into docs/images."""
    with tempfile.TemporaryDirectory() as name, inside(name):
        folder = Path(name)
        for chapter in CHAPTERS:
            pages.run(pages.read(chapter))
        train_digits(folder)
        for drawn in sorted(folder.glob("*.png")):
            kept = IMAGES / drawn.name
            apart = difference(drawn, kept) if kept.exists() else 1.0
            print(f"{drawn.name:24} {drawn.stat().st_size:8,} bytes, {apart:.4f} from before")
            kept.write_bytes(drawn.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
