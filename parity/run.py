"""Carries cases out on both sides and turns them into rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from parity import compare
from parity.case import Case, Results, Row
from parity.sides import Keras, Side, Tinyconv

DTYPES = ("float32", "float64")

_LENIENCE = 10.0

_keras = Keras()


def rows(
    cases: Iterable[Case], backends: Sequence[str], dtypes: Sequence[str] = DTYPES
) -> Iterator[Row]:
    """A row for each case, dtype and backend, as soon as it is known."""
    for case in cases:
        for dtype in dtypes:
            for backend in backends:
                yield row(case, backend, dtype)


def row(case: Case, backend: str, dtype: str) -> Row:
    """One case on one backend, beside tf.keras; a side that raises makes the row red."""
    try:
        ours, theirs = _measure(Tinyconv(backend), case, dtype), _reference(case, dtype)
        scales = conditioning(case, theirs) if case.conditioned else case.scales
        errors = compare.errors(ours, theirs, scales, case.floor)
        problem = ""
    except Exception as error:
        errors, problem = {}, f"{type(error).__name__}: {error}"
    return Row(case, backend, dtype, errors, problem)


def conditioning(case: Case, theirs: Results) -> dict[str, float]:
    """By what a tensor is measured, where float32 alone moves it far.

    Nine times in ten a network drawn at random is harmless. The tenth has a BatchNormalization
    over values that hardly vary, say, and its gradients are roundings magnified. What rounding
    may explain is then told by tf.keras itself, by the distance of its float32 from its float64,
    and ten times that passes.
    """
    exact = _reference(case, "float64")
    return {
        name: max(case.floor, _LENIENCE * compare.distance(theirs[name], exact[name])
                  / case.tolerance.float32)
        for name in theirs
    }  # fmt: skip


@lru_cache(maxsize=128)  # few, for the weights of a trained network are large
def _reference(case: Case, dtype: str) -> Results:
    """tf.keras' results: the same for every backend, and for every planted error."""
    return _measure(_keras, case, dtype)


def _measure(side: Side, case: Case, dtype: str) -> Results:
    with side.precision(dtype), warnings.catch_warnings():
        # What is compared here are numbers: those that overflow are compared, too.
        warnings.simplefilter("ignore")
        return case.measure(side, dtype)
