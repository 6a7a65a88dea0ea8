"""`python -m benchmarks step`: print ratios side by side."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from benchmarks.harness import table, write_json

QUESTIONS = ("step",)


def main() -> None:
    """Run one question."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender")
    parser.add_argument("--quick", action="store_true", help="one case, few steps")
    parser.add_argument("--json", type=Path, help="write all turns to this file")
    options = parser.parse_args()
    question = importlib.import_module(f"benchmarks.{options.question}")
    results = question.run(options.rounds, options.quick)
    for title, group in results.items():
        print(table(title, group, question.BASE), end="\n\n")
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    main()
