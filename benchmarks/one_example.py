"""Run one example in this process: python -m benchmarks.one_example PEAK_FILE IMAGES SCRIPT ...

IMAGES says how many of Fashion-MNIST there are to train on, -1 all; what follows SCRIPT is its
command line. The peak memory of the process goes to PEAK_FILE, in bytes.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from benchmarks.process import peak_memory
from tinyconv.data import fashion_mnist


def shorten(images: int) -> None:
    """From now on Fashion-MNIST has so many images to train on."""
    whole = fashion_mnist.load_data

    def load_data() -> tuple[tuple, tuple]:
        (x_train, y_train), test = whole()
        return (x_train[:images], y_train[:images]), test

    fashion_mnist.load_data = load_data


def main(peak: str, images: str, script: str, *options: str) -> None:
    """Run the script as a program."""
    if int(images) >= 0:
        shorten(int(images))
    sys.argv = [script, *options]
    runpy.run_path(script, run_name="__main__")
    Path(peak).write_text(str(peak_memory()), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
