"""`python -m benchmarks step`: contenders side by side.

step          a training step of the book's networks through fit, tinyconv against tf.keras
startup       seconds from the command to the first training step, with and without a cache
accuracy      test accuracy after the book's ten epochs of Fashion-MNIST, three seeds each
cats_vs_dogs  an epoch over a stream of photographs, three networks, against tf.keras
memory        peak memory of such an epoch for few and for many photographs
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from benchmarks.harness import write_json

QUESTIONS = ("step", "startup", "accuracy", "cats_vs_dogs", "memory")


def main() -> None:
    """Run one question; its `run(options)` returns the text to print and the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--rounds", type=int, default=7, help="turns, or seeds, of each")
    parser.add_argument("--quick", action="store_true", help="a smaller form, to try it out")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    options = parser.parse_args()
    text, numbers = importlib.import_module(f"benchmarks.{options.question}").run(options)
    print(text)
    if options.json:
        write_json(options.json, numbers)


if __name__ == "__main__":
    main()
