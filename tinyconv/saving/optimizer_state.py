"""What an optimizer has learnt on the way, in the order of Keras' variables.

0  iteration, the number of steps taken
1  learning_rate; absent where a schedule makes it
2  the running values of the trained parameters, see `_ORDER`
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.saving.errors import FileError

if TYPE_CHECKING:
    from tinyconv.models.model import Model

_MOST_STEPS = 2**63  # what the files hold them in

# For each optimizer: its slots with Keras' names. The slots of one group alternate,
# parameter by parameter; the groups follow each other.
_ORDER: dict[str, list[list[tuple[str, str]]]] = {
    "SGD": [[("velocity", "momentum")]],
    "Adam": [[("m", "momentum"), ("v", "velocity")], [("v_max", "velocity_hat")]],
    "RMSprop": [
        [("square", "velocity")],
        [("velocity", "momentum")],
        [("mean", "average_gradient")],
    ],
}
_ORDER["AdamW"] = _ORDER["Adam"]
# How the optimizers of TensorFlow 2.0 to 2.10 call the same slots, one after the other.
_OLD_NAMES = {
    "m": "m", "v": "v", "vhat": "v_max", "rms": "square", "mg": "mean", "momentum": "velocity",
}  # fmt: skip


def named_values(model: Model) -> list[tuple[str, Any]]:
    """(name, array) of all variables; before the first step only the first two."""
    optimizer = model.optimizer
    assert optimizer is not None
    values: list[tuple[str, Any]] = [("iteration", np.int64(optimizer.iterations))]
    if optimizer.schedule is None:
        values.append(("learning_rate", np.float32(optimizer.learning_rate)))
    if not optimizer.slots:
        return values
    try:
        buffer = model._parameters()
    except ValueError:  # frozen or unfrozen since: the slots belong to other parameters
        return values
    views = {slot: buffer.views(flat) for slot, flat in optimizer.slots.items()}
    for index, slot, keras_name in _places(optimizer, len(buffer.paths)):
        name = f"{buffer.paths[index].replace('/', '_')}_{keras_name}"
        values.append((name, get_backend().to_numpy(views[slot][index])))
    return values


def prepare(
    file: Path, model: Model, names: Sequence[str], found: Sequence[Any]
) -> Callable[..., None]:
    """Compare the file's variables with the optimizer; what is returned then assigns them.

    An optimizer of another kind, or of other trained layers, starts anew, with a warning.

    Args:
        names: of the file's variables, where it gives them; only old files are read by name.
        found: datasets, or arrays.

    Raises:
        FileError: for shapes that are not those of the parameters.
    """
    optimizer = model.optimizer
    assert optimizer is not None
    shapes = [weight.shape for weight in model.trainable_weights]
    places = _places(optimizer, len(shapes))
    old = _by_old_names(names, found, len(shapes))
    old = old if set(old) == set(optimizer.slot_names()) else {}
    head = len(found) - len(places)  # TensorFlow 2 keeps no learning rate
    if len(found) in (1, 2):
        head = len(found)  # saved before the first step
    if head not in (1, 2):
        warnings.warn(
            f"{file}: {optimizer.name} starts anew: the file holds {len(found)} variables, not "
            f"those of {optimizer.name} for the {len(shapes)} trained weights of {model!r}",
            stacklevel=4,
        )
        return lambda: None
    values = [np.asarray(each[()]) for each in found[:head]]
    if not all(value.shape == () and 0 <= value < np.inf for value in values):
        raise FileError(f"{file}: {optimizer.name}: steps and learning rate must be numbers >= 0")
    if not (values[0] < _MOST_STEPS and values[0] == int(values[0])):
        raise FileError(f"{file}: {optimizer.name}: no number of steps: {values[0]}")
    slots: list[tuple[int, str, Any]] = []
    for (index, slot, keras_name), dataset in zip(places, found[head:], strict=False):
        dataset = old[slot][index] if old else dataset
        if dataset.shape != shapes[index]:
            raise FileError(
                f"{file}: {optimizer.name}: expected {keras_name} of "
                f"{model.trainable_weights[index].path} of shape {shapes[index]}. "
                f"Received: {dataset.shape}"
            )
        slots.append((index, slot, dataset[()]))
    return lambda: _assign(model, values, slots)


def _assign(model: Model, head: list[Any], slots: list[tuple[int, str, Any]]) -> None:
    optimizer = model.optimizer
    assert optimizer is not None
    optimizer.iterations = int(head[0])
    # Keras keeps the rate in single precision: what rounds to it stays as it is.
    anew = len(head) > 1 and optimizer.schedule is None
    if anew and np.float32(optimizer.learning_rate) != np.float32(head[1]):
        optimizer.learning_rate = float(head[1])
    if not slots:
        optimizer.slots = {}
        return
    buffer = model._parameters()
    optimizer.build(buffer)
    views = {slot: buffer.views(flat) for slot, flat in optimizer.slots.items()}
    for index, slot, value in slots:
        views[slot][index][...] = get_backend().asarray(value)


def _places(optimizer: Any, parameters: int) -> list[tuple[int, str, str]]:
    """(parameter, slot, Keras' name of the slot), in Keras' order."""
    used = optimizer.slot_names()
    order = _ORDER.get(type(optimizer).__name__) or [[(slot, slot)] for slot in used]
    return [
        (index, slot, name)
        for group in order
        for index in range(parameters)
        for slot, name in group
        if slot in used
    ]


def _by_old_names(
    names: Sequence[str], found: Sequence[Any], parameters: int
) -> dict[str, list[Any]]:
    """slot -> datasets, where the names are those of TensorFlow 2.0 to 2.10; else nothing."""
    slots: dict[str, list[Any]] = {}
    for name, dataset in zip(names, found, strict=False):
        last = name.rpartition("/")[2].partition(":")[0]
        if last in _OLD_NAMES:
            slots.setdefault(_OLD_NAMES[last], []).append(dataset)
    complete = slots and all(len(each) == parameters for each in slots.values())
    return slots if complete else {}
