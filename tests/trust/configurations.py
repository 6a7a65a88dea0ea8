"""`python -m tests.trust.configurations --count 2000`: random layers beside two judges.

Each configuration (drawing.py) is computed by every contender (contenders.py): the numpy
backend, the numba backend, that with each of its algorithms of convolution where it applies,
and for some of them the GPU's kernels compiled as C++. Output, gradients and moving statistics
are compared with the naive loops (judges.py) where these are quick enough, and with tf.keras
where it takes the configuration: which it refused, and why, is printed. `--only 17` shows one
of them again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

import tinyconv
from parity import compare
from parity.case import Results
from parity.sides import Keras, Tinyconv
from parity.sides.base import cotangent
from tests.trust.allowances import TOLERANCE, scales, tolerance
from tests.trust.contenders import CONTENDERS, HOST, Contender, compute, contend, inputs_of, made
from tests.trust.drawing import Config, draw
from tests.trust.judges import judge

_keras = Keras()


class Finding(NamedTuple):
    """How one contender and one judge compare in one configuration.

    Attributes:
        errors: by what was computed, relative to its largest value.
        problem: what else went wrong.
    """

    config: Config
    contender: str
    judge: str
    errors: dict[str, float]
    tolerance: float
    problem: str = ""

    @property
    def red(self) -> dict[str, float]:
        """The errors that are too large."""
        return {name: e for name, e in self.errors.items() if not e <= self.tolerance}

    @property
    def wrong(self) -> bool:
        return bool(self.problem or self.red)

    def __str__(self) -> str:
        told = self.problem or ", ".join(f"{name} {e:.1e}" for name, e in self.red.items())
        return f"{self.contender} / {self.judge}: {told}; allowed {self.tolerance:.1e}"


def findings(
    config: Config, contenders: Sequence[Contender] = CONTENDERS, keras: bool = True
) -> Iterator[Finding]:
    """All of a configuration; `problem` of tf.keras alone says why it refused."""
    if config.empty:
        yield from (_empty(config, contender) for contender in contenders if not contender.conv)
        return
    if config.training and config.layers[0][0] == "Dropout" and config.layers[0][1]["rate"]:
        yield from (_dropped(config, contender) for contender in contenders if not contender.conv)
        return
    references: dict[str, Results] = {}
    if not config.large:
        references["naive loops"] = _naive(config)
    if keras:
        try:
            with _keras.precision(config.dtype):
                references["tf.keras"] = _trusted(config, compute(_keras, config))
        except Exception as error:  # which are counted, by their kind
            yield Finding(config, "", "tf.keras", {}, 0, f"{type(error).__name__}: {error}")
    for contender in contenders:
        if not contender.applies(config):
            continue
        try:
            ours = contend(config, contender)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            yield Finding(config, contender.name, "", {}, 0, problem)
            continue
        for name, wanted in references.items():
            sizes = scales(config, wanted)
            errors = {
                key: compare.relative_error(ours[key], value, sizes.get(key, 1.0))
                for key, value in wanted.items()
                if key in ours
            }
            errors |= dict.fromkeys(wanted.keys() - ours.keys(), np.inf)
            yield Finding(config, contender.name, name, errors, tolerance(config, contender, name))


def _trusted(config: Config, theirs: Results) -> Results:
    """Without what TensorFlow computes wrongly, as difference quotients of its own output tell.

    That is the gradient of an average pool whose window is longer than the image.
    """
    cls, arguments = config.layers[-1]
    if cls != "AveragePooling2D":
        return theirs
    size = tinyconv.layers.AveragePooling2D(**arguments).size
    if size[0] <= config.shape[1] and size[1] <= config.shape[2]:
        return theirs
    return {name: value for name, value in theirs.items() if name != "dx"}


def _naive(config: Config) -> Results:
    side = Tinyconv("numpy")
    with side.precision(config.dtype):
        layer = made(side, config)
        chain = [
            (each, arguments)
            for each, (_, arguments) in zip(
                getattr(layer, "layers", [layer]), config.layers, strict=True
            )
        ]
        found = judge(chain, inputs_of(config), config.training)
    return {name: value.astype(config.dtype) for name, value in found.items()}


def _empty(config: Config, contender: Contender) -> Finding:
    """An empty batch is refused, in words, and the layer stays as it was."""
    problem = "an empty batch was taken"
    try:
        contend(config, contender)
    except ValueError as error:
        problem = "" if "holds no values" in str(error) else str(error)
    return Finding(config, contender.name, "refusal", {}, 0, problem)


def _dropped(config: Config, contender: Contender) -> Finding:
    """Dropout draws its own mask: what it kept is scaled, and so is that part of the slope."""
    ours, x = contend(config, contender), inputs_of(config)
    scale = 1 / (1 - config.layers[0][1]["rate"])
    kept, told = ours["output"] != 0, x != 0  # where x is 0, only the slope tells
    dy = cotangent(x.shape, config.dtype)
    wanted = {"output": np.where(kept, scale * x, 0), "dx": np.where(kept, scale * dy, 0)}
    dx = np.where(told, ours["dx"], wanted["dx"])
    errors = {
        "output": compare.relative_error(ours["output"], wanted["output"].astype(x.dtype)),
        "dx": compare.relative_error(dx.astype(x.dtype), wanted["dx"].astype(x.dtype)),
    }
    return Finding(config, contender.name, "its own mask", errors, TOLERANCE[config.dtype])


class Summary:
    """What was found, counted."""

    def __init__(self) -> None:
        self.drawn, self.layers, self.compared = 0, Counter[str](), Counter[str]()
        self.refused, self.worst = Counter[str](), {}
        self.red: list[str] = []

    def add(self, config: Config, found: list[Finding]) -> None:
        """The findings of one configuration."""
        self.drawn += 1
        self.layers[" + ".join(cls for cls, _ in config.layers)] += 1
        for finding in found:
            if not finding.contender:
                self.refused[finding.problem.splitlines()[0][:90]] += 1
                continue
            pair = f"{finding.contender} / {finding.judge}"
            self.compared[pair] += 1
            worst = max(finding.errors.values(), default=0.0)
            self.worst[pair] = max(self.worst.get(pair, 0.0), worst)
        wrong = [finding for finding in found if finding.contender and finding.wrong]
        if wrong:
            self.red.append("\n    ".join([config.words, *map(str, wrong)]))

    def __str__(self) -> str:
        lines = [f"{self.drawn} configurations of {len(self.layers)} kinds"]
        lines += [f"  {count:6} {kind}" for kind, count in self.layers.most_common(12)]
        lines += [f"{'compared':>10} largest error"]
        lines += [f"{n:10} {self.worst[pair]:.1e}  {pair}" for pair, n in self.compared.items()]
        lines += [f"tf.keras refused {n}: {why}" for why, n in self.refused.most_common()]
        return "\n".join([*lines, *self.red, f"{len(self.red)} red"])


def campaign(
    indices: Sequence[int],
    seed: int = 0,
    every_host: int = 0,
    keras: bool = True,
    tell: Callable[[Summary], None] | None = None,
) -> Summary:
    """All findings of these configurations; every n-th also on the host, if `every_host`."""
    summary = Summary()
    for index in indices:
        config = draw(index, seed)
        hosted = every_host and index % every_host == 0
        contenders = (*CONTENDERS, HOST) if hosted else CONTENDERS
        with np.errstate(all="ignore"):
            summary.add(config, list(findings(config, contenders, keras)))
        if tell:
            tell(summary)
    return summary


def main() -> int:
    """The long form; 0 if nothing is red."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust.configurations")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--start", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this one alone")
    parser.add_argument("--host", type=int, default=0, metavar="N", help="every N-th on the host")
    options = parser.parse_args()
    indices = range(options.start, options.start + options.count)
    started = last = time.monotonic()

    def tell(summary: Summary) -> None:
        nonlocal last
        if time.monotonic() - last > 20:
            last = time.monotonic()
            seconds = last - started
            print(f"{seconds:6.0f} s {summary.drawn:6} {len(summary.red)} red", flush=True)

    only = options.only is not None
    chosen = [options.only] if only else indices
    summary = campaign(chosen, options.seed, options.host, tell=tell)
    print(draw(options.only, options.seed).words if only else "", summary, sep="\n")
    return 1 if summary.red else 0


if __name__ == "__main__":
    sys.exit(main())
