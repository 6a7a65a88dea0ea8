"""All that the rest of a training depends on, as a tree of plain values and arrays."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv import random
from tinyconv.backends import get_backend
from tinyconv.callbacks.backup_form import FORMAT, check_generator, check_like, check_metric
from tinyconv.callbacks.base import Callback, Logs
from tinyconv.registry import serialize
from tinyconv.saving.errors import FileError, naming
from tinyconv.training.position import Position

_POSITION = ("epoch", "step", "random_state")


def training_state(
    model: Any, callbacks: Sequence[Callback], params: Logs, started_with: Any
) -> dict[str, Any]:
    """Weights, optimizer, random numbers, metrics, position and callbacks.

    Args:
        started_with: the learning rate that the program asked for; it may have changed since.
    """
    optimizer, to_numpy = model.optimizer, get_backend().to_numpy
    return {
        "format": FORMAT,
        "weights": [[v.path, to_numpy(v.value)] for v in model.weights],
        "trainable": [v.path for v in model.trainable_weights],
        "optimizer": {
            "class": type(optimizer).__name__,
            "iterations": int(optimizer.iterations),
            "learning_rate": serialize(optimizer._learning_rate),
            "started_with": started_with,
            "slots": {name: to_numpy(slot) for name, slot in optimizer.slots.items()},
        },
        "random": random.get_state(),
        "generators": [each.bit_generator.state for each in _generators(model)],
        "metrics": [[metric.name, metric.get_state()] for metric in model.metrics],
        "position": dataclasses.asdict(model.position),
        "callbacks": [[type(each).__name__, each.get_state()] for each in callbacks],
        "steps": params.get("steps"),
        "input_record": [record.to_dict() for record in model.input_record or ()],
    }


def check_state(
    file: Path, state: dict[str, Any], model: Any, callbacks: Sequence[Callback], params: Logs
) -> None:
    """Compare with the model before anything in it is changed.

    Raises:
        FileError: naming the file, what was expected and what was found.
    """

    def same(what: str, expected: Any, found: Any) -> None:
        if expected != found:
            raise FileError(
                f"{file}: a backup of another training. {model!r}: expected {what} {expected}. "
                f"Received: {found}. Delete the backup to start anew"
            )

    if not model.built:
        raise FileError(f"{file}: {model!r} must be built before a backup of it can be restored")
    same("a number of weights of", len(model.weights), len(state["weights"]))
    for variable, (path, values) in zip(model.weights, state["weights"], strict=True):
        # Names of layers count up within a process, so only the weight's own is compared.
        expected = (variable.name, tuple(variable.shape), variable.dtype)
        found = (path.rpartition("/")[2], values.shape, str(values.dtype))
        same(f"for the weight {variable.path}", expected, found)
    trained = [path in set(state["trainable"]) for path, _ in state["weights"]]
    for variable, was in zip(model.weights, trained, strict=True):
        same(f"for {variable.path}: trainable", variable.trainable, was)

    optimizer, kept = model.optimizer, state["optimizer"]
    same("the optimizer", type(optimizer).__name__, kept["class"])
    now = serialize(optimizer._learning_rate)
    if isinstance(kept["learning_rate"], dict) or isinstance(now, dict):
        same("the learning rate", now, kept["learning_rate"])
    elif now not in (kept["started_with"], kept["learning_rate"]):
        warnings.warn(
            f"{file}: {model!r} is compiled with the learning rate {now:g}, and the training that "
            f"was backed up began with {kept['started_with']}. It goes on as it was, now with "
            f"{kept['learning_rate']:g}. For another rate from here on pass a "
            "LearningRateScheduler, or delete the backup to start anew",
            stacklevel=5,
        )
    if kept["slots"]:
        same("the slots", sorted(optimizer.slot_names()), sorted(kept["slots"]))
    values = model._parameters().values
    for name, slot in kept["slots"].items():
        size, kind = f"{values.shape} of {values.dtype}", f"{slot.shape} of {slot.dtype}"
        same(f"for the slot {name}", size, kind)

    same("the metrics", [metric.name for metric in model.metrics], [n for n, _ in state["metrics"]])
    for metric, (_, values) in zip(model.metrics, state["metrics"], strict=True):
        check_metric(file, metric, values)
    generators = list(_generators(model))
    same("generators of random numbers", len(generators), len(state["generators"]))
    for generator, kept in zip(generators, state["generators"], strict=True):
        check_generator(file, "generators", generator, kept)
    check_generator(file, "random", random.generator(), state["random"])
    if state["position"]["random_state"] is not None:
        check_generator(
            file, "position.random_state", random.generator(), state["position"]["random_state"]
        )
    if state["position"]["step"] and None not in (params.get("steps"), state["steps"]):
        same("steps an epoch", params["steps"], state["steps"])
    if params.get("steps") is not None and state["position"]["step"] > params["steps"]:
        raise FileError(
            f"{file}: position.step: expected at most the {params['steps']} steps of an epoch. "
            f"Received: {state['position']['step']}"
        )
    for callback, kept in _claimed(state, callbacks):
        if kept:
            check_like(file, f"the callback {type(callback).__name__}", callback, kept)
    for name, _ in _unclaimed(state, callbacks):
        warnings.warn(
            f"{file} holds the state of a {name}, which is not among the callbacks now: "
            "training goes on without it",
            stacklevel=5,
        )


def restore_state(
    file: Path, state: dict[str, Any], model: Any, callbacks: Sequence[Callback]
) -> None:
    """Put everything back; `check_state` has passed.

    Raises:
        FileError: from a callback that cannot go on; the model is then as it was.
    """
    with naming(file):
        for callback, kept in _claimed(state, callbacks):
            if kept:
                callback.set_state(kept)
    for variable, (_, values) in zip(model.weights, state["weights"], strict=True):
        variable.assign(values)
    optimizer, kept = model.optimizer, state["optimizer"]
    if not isinstance(kept["learning_rate"], dict):
        optimizer.learning_rate = kept["learning_rate"]
    optimizer.iterations = kept["iterations"]
    optimizer.build(model._parameters())
    for name, values in kept["slots"].items():
        optimizer.slots[name][...] = get_backend().asarray(values)
    for metric, (_, values) in zip(model.metrics, state["metrics"], strict=True):
        metric.set_state(values)
    for generator, kept in zip(_generators(model), state["generators"], strict=True):
        generator.bit_generator.state = kept
    random.set_state(state["random"])
    model.position = Position(*(state["position"][key] for key in _POSITION))
    records = zip(model.input_record or (), state["input_record"], strict=False)
    model.input_record = [type(record).from_dict(values) for record, values in records]


def _generators(layer: Any) -> Iterator[np.random.Generator]:
    """Those that layers keep for themselves, a Dropout with a seed for one."""
    for value in vars(layer).values():
        if isinstance(value, np.random.Generator):
            yield value
    for inner in getattr(layer, "layers", ()):
        yield from _generators(inner)


def _matched(
    state: dict[str, Any], callbacks: Sequence[Callback]
) -> list[tuple[str, Logs, Callback | None]]:
    """Each kept state with the callback it belongs to: the next one of its class."""
    left = list(callbacks)
    matched = []
    for name, kept in state["callbacks"]:
        callback = next((each for each in left if type(each).__name__ == name), None)
        if callback is not None:
            left.remove(callback)
        matched.append((name, kept, callback))
    return matched


def _claimed(
    state: dict[str, Any], callbacks: Sequence[Callback]
) -> Iterator[tuple[Callback, Logs]]:
    for _, kept, callback in _matched(state, callbacks):
        if callback is not None:
            yield callback, kept


def _unclaimed(state: dict[str, Any], callbacks: Sequence[Callback]) -> Iterator[tuple[str, Logs]]:
    for name, kept, callback in _matched(state, callbacks):
        if callback is None and kept:
            yield name, kept
