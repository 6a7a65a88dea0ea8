"""`python -m benchmarks step`: contenders side by side.

step          a training step of the book's networks through fit
predict       10,000 images through predict
vgg16         features of photographs, and a step of fine-tuning
resnet50      class probabilities of photographs
linear        a training step by the size of its batch, 8 to 512
conv          each algorithm of convolution on each layer of the networks, GFLOP/s
why           from naive loops to Winograd: what each step of docs/why-it-is-fast.md bought
layers        each kind of layer, forward and backward
import        seconds and memory of `import`
all           these nine; numbers and pictures go to benchmarks/results

startup       seconds from the command to the first training step, with and without a cache
expected      seconds from the command of an example to its end, on each backend
accuracy      test accuracy after the book's ten epochs of Fashion-MNIST, three seeds each
cats_vs_dogs  an epoch over a stream of photographs, three networks, against tf.keras
memory        peak memory of such an epoch for few and for many photographs
gpu           kernels, layers and steps on an NVIDIA card, against cuDNN and PyTorch
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

from benchmarks import expected, page
from benchmarks.lineup import ALL, USUAL, present
from benchmarks.report import write_json

SIDE_BY_SIDE = (
    "step", "predict", "vgg16", "resnet50", "linear", "conv", "why", "layers", "import",
)  # fmt: skip
OTHERS = ("startup", "expected", "accuracy", "cats_vs_dogs", "memory", "gpu")
RESULTS = Path(__file__).parent / "results"
ON_A_PAGE: dict[str, Any] = {"why": page, "expected": expected}


class Titled(Protocol):
    """What can be chosen by its title."""

    @property
    def title(self) -> str: ...


T = TypeVar("T", bound=Titled)


class Options(argparse.Namespace):
    """What was asked for."""

    question: str
    rounds: int
    quick: bool
    contenders: list[str]
    only: str
    json: Path | None
    plot: Path | None
    out: Path
    docs: bool
    command: str

    def chosen(self, cases: Sequence[T]) -> list[T]:
        """The cases whose title has `only` in it."""
        found = [case for case in cases if self.only.lower() in case.title.lower()]
        if not found:
            titles = "\n".join(f"  {case.title}" for case in cases)
            raise SystemExit(f"--only {self.only!r} is in none of these:\n{titles}")
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one question, or all; its `run(options)` shows its tables and returns its numbers."""
    parser = _parser()
    options = parser.parse_args(arguments, Options())
    options.contenders = present(options.contenders)
    if not options.contenders:
        parser.error("none of the contenders is installed")
    options.command = " ".join(("python -m benchmarks", *(arguments or sys.argv[1:])))
    if options.docs and options.question not in ON_A_PAGE:
        parser.error(f"--docs is for {' and '.join(ON_A_PAGE)}")
    if options.docs and (options.quick or options.only):
        parser.error("--docs shows a whole measurement, without --quick and --only")
    if options.docs and not options.json:
        ON_A_PAGE[options.question].write(RESULTS / f"{options.question}.json")
        return
    if options.question == "all":
        if options.json or options.plot or options.only:
            parser.error("all writes into --out, and takes no --json, --plot or --only")
        options.out.mkdir(parents=True, exist_ok=True)
        for question in SIDE_BY_SIDE:
            answer(module_of(question), options, *_files(options.out, question))
        return
    module = module_of(options.question)
    if options.plot and not hasattr(module, "draw"):
        parser.error(f"{options.question} draws no picture")
    answer(module, options, options.json, options.plot)


def answer(module: ModuleType, options: Options, numbers: Path | None, plot: Path | None) -> None:
    """Run a question and write what is wanted."""
    found: dict[str, Any] = module.run(options)
    if numbers:
        write_json(numbers, found, options.command)
    if plot:
        module.draw(found, plot)
    if options.docs and numbers:
        ON_A_PAGE[options.question].write(numbers)


def module_of(question: str) -> ModuleType:
    """Where it is answered: `run(options)`, and `draw(numbers, path)` if it has a picture."""
    name = "importing" if question == "import" else question  # a word of Python's
    return importlib.import_module(f"benchmarks.{name}")


def _files(folder: Path, question: str) -> tuple[Path, Path]:
    return folder / f"{question}.json", folder / f"{question}.png"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", choices=(*SIDE_BY_SIDE, "all", *OTHERS), metavar="question")
    parser.add_argument("--rounds", type=int, default=7, help="turns, or seeds, of each")
    parser.add_argument("--quick", action="store_true", help="a smaller form, to try it out")
    parser.add_argument(
        "--contenders", nargs="+", choices=ALL, default=USUAL, metavar="NAME",
        help=f"of {', '.join(ALL)}; by default {', '.join(USUAL)}",
    )  # fmt: skip
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their title")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    parser.add_argument("--plot", type=Path, help="draw them into this PNG")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where `all` writes its files")
    parser.add_argument(
        "--docs", action="store_true",
        help="write the tables of why into docs/why-it-is-fast.md, or that of expected into "
        "README.md: measured now if --json says where to, else those of benchmarks/results",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    main()
