"""What a backup looks like inside, checked before anything is taken from it.

A file that was made by hand, or by another version, may hold anything.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.callbacks.state_file import read_state
from tinyconv.saving.errors import FileError
from tinyconv.training.input_record import InputRecord

FORMAT = "tinyconv training backup 2"


def _count(value: Any) -> bool:
    """a whole number that is not negative"""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count_or_none(value: Any) -> bool:
    """a whole number that is not negative, or None"""
    return value is None or _count(value)


def _rate(value: Any) -> bool:
    """a learning rate or a schedule"""
    return isinstance(value, dict) or (isinstance(value, float) and 0 <= value < math.inf)


# A type, a function that says it in its docstring, [each], (one, other), {key: value} with all
# of these keys, or {...: value} with any.
_FORM: dict[Any, Any] = {
    "format": str,
    "weights": [(str, np.ndarray)],
    "trainable": [str],
    "optimizer": {
        "class": str,
        "iterations": _count,
        "learning_rate": _rate,
        "started_with": _rate,
        "slots": {...: np.ndarray},
    },
    "random": dict,
    "generators": [dict],
    "metrics": [(str, dict)],
    "position": {"epoch": _count, "step": _count, "random_state": dict | None},
    "callbacks": [(str, dict)],
    "steps": _count_or_none,
    "input_record": [dict],
}


def read_backup(file: Path) -> dict[str, Any]:
    """What `training_state` made, from a file.

    Raises:
        FileError: naming the file and the place in it, if it holds something else.
        FileNotFoundError: if there is no such file.
    """
    state = read_state(file)
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise FileError(f"{file} is no backup that this version of tinyconv can read")
    wrong = _mismatch(state, _FORM, "")
    if wrong:
        raise FileError(f"{file} is no backup of tinyconv: {wrong}")
    for values in state["input_record"]:
        try:
            InputRecord.from_dict(values)
        except ValueError as error:
            raise FileError(f"{file} is no backup of tinyconv: input_record: {error}") from error
    return state


def _mismatch(value: Any, form: Any, place: str) -> str | None:
    """Where and how a value differs from its form."""
    if isinstance(form, list):
        parts = [(f"{place}[{number}]", number, form[0]) for number in _range(value)]
        kind: Any = list
    elif isinstance(form, tuple):
        parts = [(f"{place}[{number}]", number, each) for number, each in enumerate(form)]
        kind = list
    elif isinstance(form, dict):
        keys = list(value) if ... in form and isinstance(value, dict) else list(form)
        parts = [(f"{place}.{key}".lstrip("."), key, form.get(key, form.get(...))) for key in keys]
        kind = dict
    else:
        return _leaf_mismatch(value, form, place)
    if not isinstance(value, kind) or (isinstance(form, tuple) and len(value) != len(form)):
        length = f" of {len(form)}" if isinstance(form, tuple) else ""
        return f"{place}: expected a {kind.__name__}{length}. Received: {_short(value)}"
    for inner, key, each in parts:
        if kind is dict and key not in value:
            return f"{inner} is missing"
        wrong = _mismatch(value[key], each, inner)
        if wrong:
            return wrong
    return None


def _leaf_mismatch(value: Any, form: Any, place: str) -> str | None:
    plain_function = callable(form) and not isinstance(form, type)
    if form(value) if plain_function else isinstance(value, form):
        return None
    expected = form.__doc__ if plain_function else getattr(form, "__name__", form)
    return f"{place}: expected {expected}. Received: {_short(value)}"


def _range(value: Any) -> range:
    return range(len(value) if isinstance(value, list) else 0)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# ---- states that only their owners can read ---------------------------------------


def check_generator(file: Path, what: str, generator: np.random.Generator, state: Any) -> None:
    """Raise FileError unless the generator can go on from this state."""
    try:
        type(generator.bit_generator)(0).state = state
    except Exception as error:  # whatever the state is made of
        raise FileError(f"{file}: {what}: no state of such a generator: {error!r}") from error


def check_metric(file: Path, metric: Any, kept: Mapping[str, Any]) -> None:
    """Raise FileError unless a metric takes what was kept of it; the metric does not change."""
    label = f"the metric {metric.name!r}"
    check_like(file, label, metric, kept)
    try:
        copy.deepcopy(metric).set_state(copy.deepcopy(kept))
    except Exception as error:  # the user's own class may do so in any way
        raise FileError(f"{file}: the state of {label}: {error!r}") from error


def check_like(file: Path, label: str, owner: Any, kept: Mapping[str, Any]) -> None:
    """Raise FileError where a state is of other kinds than the one now, or lacks a part of it.

    A class of the user's own may keep now this and now that.
    """
    if not type(owner).__module__.startswith("tinyconv."):
        return
    for key, now in owner.get_state().items():
        if key not in kept:
            raise FileError(f"{file}: the state of {label}: {key!r} is missing")
        for kind in ((int, float, np.number), (str,), (list, tuple), (dict,)):
            if isinstance(now, kind) and not isinstance(kept[key], kind):
                raise FileError(
                    f"{file}: the state of {label}: {key!r}: expected {type(now).__name__}. "
                    f"Received: {_short(kept[key])}"
                )
