"""A training step that is launched in one go: a CUDA graph.

A step of a small network is a hundred kernels of a few microseconds, and Python needs longer
to launch one than the device to run it. So a step is recorded once, and then repeated by one
launch. A recording repeats the very same launches, with the same arguments:

    it must not                       therefore
    read a number                     numbers stay on the device (steps.py)
    be given other arrays             the batch is copied to `Inputs`, arrays of its own
    be given another number           what changes from step to step (the learning rate, a
                                      dropout's key) is read from `Slots`, written before
    allocate                          its arrays come from a pool of its own, which has them
                                      from the step before, and which nobody else uses
    do on the host what counts        the optimizer's step counter is raised by run.py
    go on when something changed      `Entry.fits`: another plan, optimizer, array: anew

Only what is tinyconv's own through and through is recorded: what a user's layer, loss,
metric or optimizer does in Python would not be repeated. Settings that callbacks may change
in the middle of training (the optimizer's and the layers' numbers) are compared each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_SLOTS = 256
_BYTES = 8  # of a slot: a float64 or a uint64


class Slots:
    """Numbers that are written anew before each repetition.

    Args:
        backend: on whose device they lie.
        at_once: each is written as soon as it is asked for: a step with such slots launches
            what a recorded one does, and all that has to be compiled for that is.
    """

    def __init__(self, backend: Any, at_once: bool) -> None:
        self._device, self.at_once = backend.device, at_once
        self._there = backend.xp.zeros(_SLOTS * _BYTES, "uint8")
        self._here = np.zeros(_SLOTS * _BYTES, "uint8")
        self._values: list[tuple[np.ndarray, Callable[[], Any]]] = []

    def add(self, value: Callable[[], Any], dtype: str) -> Any:
        """The array (1,) that a kernel reads; `value` is called before each repetition."""
        number = len(self._values)
        if number == _SLOTS:
            raise RuntimeError(f"a step with more than {_SLOTS} numbers of its own")
        place = slice(number * _BYTES, (number + 1) * _BYTES)
        self._values.append((self._here[place].view(dtype), value))
        if self.at_once:
            self._values[-1][0][0] = value()
            self._device.upload(self._here[place], self._there[place])
        return self._there[place].view(dtype)

    def generator(self, generator: np.random.Generator) -> Any:
        """Stands for a random generator: what is drawn is drawn anew each time."""
        return _Drawn(self, generator)

    def write(self) -> None:
        """Call all functions, in the order in which the step asked for them."""
        if not self._values:
            return
        for place, value in self._values:
            place[0] = value()
        used = len(self._values) * _BYTES
        self._device.upload(self._here[:used], self._there[:used])


class _Drawn:
    def __init__(self, slots: Slots, generator: np.random.Generator) -> None:
        self._slots, self._generator = slots, generator

    def integers(self, high: int, dtype: Any) -> Any:
        """As of a generator, in an array of the device."""
        return self._slots.add(lambda: self._generator.integers(high, dtype=dtype), "uint64")


class Inputs:
    """Arrays for the batches of one shape.

    Args:
        backend: on whose device they lie.
        batch: of that shape.
    """

    def __init__(self, backend: Any, batch: Any) -> None:
        self._backend = backend
        empty = backend.xp.empty
        parts = ([None if x is None else empty(x.shape, x.dtype) for x in part] for part in batch)
        self.batch = type(batch)(*parts)

    def fill(self, batch: Any) -> None:
        """Copy a batch, from the host or on the device; nobody waits for that."""
        for own, given in zip(self.batch, batch, strict=True):
            for place, x in zip(own, given, strict=True):
                if x is None:
                    continue
                if isinstance(x, self._backend.xp.ndarray):
                    place[...] = x
                else:
                    self._backend.device.upload(x, place)


class Recording:
    """A step that was recorded; call it with a batch."""

    def __init__(self, inputs: Inputs, slots: Slots, launch: Callable[[], None], pool: Any) -> None:
        self._inputs, self._slots, self._launch = inputs, slots, launch
        self._pool = pool  # the launches use its memory as long as they are repeated

    def __call__(self, batch: Any) -> None:
        self._inputs.fill(batch)
        self._slots.write()
        self._launch()


class Entry:
    """What is known of the steps on batches of one shape.

    Attributes:
        seen: how many there were.
        never: whether they can't be recorded.
    """

    def __init__(self, held: list[Any], never: bool) -> None:
        self.hold(held)
        self.seen, self.never = 0, never
        self.recording: Recording | None = None

    def hold(self, held: list[Any]) -> None:
        """From now on these are what the step depends on."""
        self._held, self._settings = held, Settings(held[0], held[1](), held[2])

    def fits(self, held: list[Any]) -> bool:
        """Whether these are the very same things, with the same settings."""
        same = len(held) == len(self._held) and all(
            a is b for a, b in zip(held, self._held, strict=True)
        )
        return same and self._settings.same()


class Settings:
    """The numbers that are built into a recording and that somebody may set at any time.

    Whose they are is found out once; each step only compares them.

    Args:
        plan, objective, optimizer: of the step.
    """

    def __init__(self, plan: Any, objective: Any, optimizer: Any) -> None:
        layers = [call.layer for work in plan.work for call in work.block.calls]
        penalties = [layer.regularizers for layer in layers]
        owners = [optimizer, *objective.losses, *layers, *_values(penalties)]
        attributes = [getattr(owner, "__dict__", {}) for owner in owners]
        self._seen = [(each, len(each), _numbers(each)) for each in attributes]
        self._whole = [(each, each.copy()) for each in (objective.weights, *penalties)]

    def same(self) -> bool:
        """Whether nobody has set one."""
        return all(now == before for now, before in self._whole) and all(
            _same(*each) for each in self._seen
        )


def _values(mappings: list[dict[str, Any]]) -> list[Any]:
    return [value for each in mappings for value in each.values()]


def _same(there: dict[str, Any], count: int, kept: dict[str, Any]) -> bool:
    for name, value in kept.items():
        found = there.get(name)
        if value is None:
            if isinstance(found, _NUMBERS):  # it had none before
                return False
        elif found is not value and (type(found) is not type(value) or found != value):
            return False
    return len(there) == count or _numbers(there).keys() == kept.keys()


def _numbers(attributes: dict[str, Any]) -> dict[str, Any]:
    """Those that may be built in; None may become one."""
    return {
        name: value
        for name, value in attributes.items()
        if (value is None or isinstance(value, _NUMBERS)) and name not in _CHANGING
    }


_NUMBERS = int, float, str, np.generic
_CHANGING = frozenset({"iterations", "_learning_rate"})  # read from slots


def never_changing(model: Any) -> bool:
    """Whether a step of training does the same each time: no code of a user is in it."""
    layers = [step.layer for step in model.graph.steps]
    objective = model.objective
    others = [
        model.optimizer,
        *model.metric_set.all,
        *(x for x in objective.losses if x is not None),
    ]
    regularizers = [each for layer in layers for each in layer.regularizers.values()]
    things = [*layers, *others, *regularizers]
    return all(
        type(thing).__module__.startswith("tinyconv.")
        and not any(
            callable(value) and hasattr(type(thing), name) for name, value in vars(thing).items()
        )
        for thing in things
    )
