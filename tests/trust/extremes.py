"""`python -m tests.trust.extremes`: numbers from 1e-42 to 3e38, constants, NaN, infinity.

Layers forward and backward, losses, heads of networks, optimizers, and inputs of other types,
beside tf.keras: where it gives a finite number tinyconv gives that number; where it gives NaN
or infinity, tinyconv gives them too, or a finite number, which is counted. What a NaN in the
input must do is stricter: it must be in the output. What is computed: extreme_jobs.py.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

import tinyconv
from parity.case import Results
from parity.sides import Keras, Tinyconv
from tests.trust import extreme_gradients
from tests.trust.extreme_jobs import PARTS, Job
from tests.trust.extreme_values import DENORMAL, verdict

DTYPES, BACKENDS = ("float32", "float64"), ("numpy", "numba")
_keras = Keras()


class Outcome(NamedTuple):
    """What a campaign found.

    Attributes:
        count: comparisons, by part, backend and dtype.
        red: what was wrong, in words.
        better: where only tf.keras gave something that is not finite.
        refused: what tf.keras does not take.
    """

    count: Counter[str]
    red: list[str]
    better: Counter[str]
    refused: Counter[str]


def campaign(
    parts: Sequence[str] = tuple(PARTS),
    dtypes: Sequence[str] = DTYPES,
    backends: Sequence[str] = BACKENDS,
    stride: int = 1,
    tell: Callable[[str], None] = lambda words: None,
) -> Outcome:
    """Every n-th job of these parts on these backends, beside tf.keras; `tell` is told of reds."""
    outcome = Outcome(Counter(), [], Counter(), Counter())
    for part, dtype in itertools.product(parts, dtypes):
        for job in itertools.islice(PARTS[part](dtype), 0, None, stride):
            with np.errstate(all="ignore"):
                try:
                    with _keras.precision(dtype):
                        theirs = job.run(_keras)
                except Exception as error:  # counted, by their kind
                    outcome.refused[f"{job.words.split(',')[0]}: {type(error).__name__}"] += 1
                    continue
                known = len(outcome.red)
                for backend in backends:
                    _add(outcome, job, part, dtype, backend, theirs)
                for words in outcome.red[known:]:
                    tell(words)
    return outcome


def _add(outcome: Outcome, job: Job, part: str, dtype: str, backend: str, theirs: Results) -> None:
    outcome.count[f"{part}, {backend}, {dtype}"] += 1
    side, conv = Tinyconv(backend), job.conv if backend == "numba" else None
    try:
        with side.precision(dtype), tinyconv.use_backend(backend, conv):
            ours = job.run(side)
    except Exception as error:
        outcome.red.append(f"{backend}: {job.words}\n    {type(error).__name__}: {error}")
        return
    problems, better = judged(job, ours, theirs, spreads=bool(conv) and "winograd" in str(conv))
    if problems:
        outcome.red.append(f"{backend}: {job.words}\n    {'; '.join(problems)}")
    for name in better:
        outcome.better[f"{job.words.split(',')[0]}, {backend}: {name}"] += 1


def judged(
    job: Job, ours: Results, theirs: Results, spreads: bool = False
) -> tuple[list[str], list[str]]:
    """(What is wrong, what is finite only here.)

    Args:
        spreads: whether numbers that are not finite may spoil others beside them, as in the
            tiles of Winograd's algorithm; vanish they may not.
    """
    finite = np.isfinite(job.x)
    largest = float(np.abs(job.x[finite]).max(initial=0.0))
    floor = largest if largest > 1 else 0.0
    small = np.abs(job.x[finite])
    denormal = bool(((small > 0) & (small < DENORMAL[str(job.x.dtype)])).any())
    overflows = job.beyond and largest > 1e29  # in sums, which are added in another order
    vague = not np.isfinite(np.asarray(theirs.get("output", 0.0))).all()
    problems, better = [], []
    for name, value in theirs.items():
        here = np.asarray(ours[name])
        found = verdict(here, np.asarray(value), max(floor, job.floors.get(name, 0.0)))
        # A NaN is seen here also where tf.keras looks past it, in slopes and in maxima; a maximum
        # then has another place.
        has_nan = bool(np.isnan(job.x).any())
        elsewhere = has_nan and job.words.startswith("MaxPooling2D")
        # Where an output is not finite, no slope needs to be.
        excused = has_nan or overflows or (vague and name != "output")
        # One infinite logit: all of its row is NaN here, that number alone in tf.keras.
        excused = excused or (job.beyond and job.words.startswith("Softmax"))
        if found.lost and not excused and not (spreads and job.beyond):
            problems.append(f"{name}: {found.lost} lost")
        if found.off and not denormal and not elsewhere:
            problems.append(f"{name}: {found.off} off by {found.error:.1e}")
        grouped = "groups" in job.words  # tf.keras hands NaN on to the other groups
        if found.hidden and name == "output" and has_nan and not grouped:
            problems.append(f"{name}: {found.hidden} hidden")
        elif found.hidden:
            better.append(name)
    if np.isnan(job.x).any() and np.isfinite(np.asarray(ours["output"])).all():
        problems.append("a NaN in the input is not in the output")
    return problems, better


def gradients(backends: Sequence[str] = BACKENDS, stride: int = 1) -> Outcome:
    """Every n-th gradient check of extreme_gradients.py, which needs no tf.keras."""
    outcome = Outcome(Counter(), [], Counter(), Counter())
    for subject, magnitude in itertools.islice(extreme_gradients.checks(), 0, None, stride):
        for backend in backends:
            outcome.count[f"gradients, {backend}, float64"] += 1
            if report := extreme_gradients.check(subject, magnitude, backend):
                outcome.red.append(report)
    return outcome


def main() -> int:
    """The long form; 0 if nothing is red."""
    parser = argparse.ArgumentParser(prog="python -m tests.trust.extremes")
    parser.add_argument("--part", action="append", choices=[*PARTS, "gradients"])
    parser.add_argument("--dtype", action="append", choices=DTYPES)
    parser.add_argument("--backend", action="append", choices=BACKENDS)
    parser.add_argument("--stride", type=int, default=1, help="every n-th alone")
    options = parser.parse_args()
    started = time.monotonic()
    parts, backends = options.part or [*PARTS, "gradients"], options.backend or BACKENDS
    count, red, better, refused = campaign(
        [part for part in parts if part in PARTS], options.dtype or DTYPES, backends, options.stride
    )
    if "gradients" in parts:
        checked = gradients(backends, options.stride)
        count, red = count + checked.count, red + checked.red
    print("\n".join(red))
    for title, counted in (("finite here alone", better), ("tf.keras takes no", refused),
                           ("comparisons", count)):  # fmt: skip
        print(f"{title}: {sum(counted.values())}")
        for words, n in counted.most_common():
            print(f"{n:6} {words}")
    print(f"{len(red)} red, {time.monotonic() - started:.0f} s")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
