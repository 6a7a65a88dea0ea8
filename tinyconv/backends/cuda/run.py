"""The steps of one model on a device: its metrics there, and what was recorded."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from tinyconv.backends.cuda.deferred import DeferredLogs
from tinyconv.backends.cuda.memory import let_go
from tinyconv.backends.cuda.recording import Entry, Inputs, Recording, Slots, never_changing

_HEAD = 3  # numbers of the state before the metrics: see kernels/step.cu
_MOST_RECORDINGS = 4  # shapes of batches; an epoch has two
_SHARE = 4  # a recording keeps no more than 1 / _SHARE of the memory that is free


class Run:
    """What the backend keeps of a model.

    Attributes:
        state: on the device; see kernels/step.cu. The sum and the count of each metric lie
            in it, so that one copy of it is all that the logs of a step need.
        waits: whether the loss is read in each step: an optimizer that is not tinyconv's
            knows nothing of `state`.
        slots: of the recording that is being made.
    """

    def __init__(self, backend: Any) -> None:
        self.backend, self.device, self.xp = backend, backend.device, backend.xp
        self.state: Any = self.xp.zeros(_HEAD, "float64")
        self.waits, self.trying = False, False
        self.slots: Slots | None = None
        self._metrics: list[Any] = []
        self._views: list[Any] = []
        self._watched = 0  # steps that the device was told to take since `state` was cleared
        self._failures = 0
        self._entries: dict[Any, Entry] = {}

    # ---- a step -------------------------------------------------------------------

    def step(
        self, model: Any, step: Callable[[Any], None], batch: Any, recordable: bool
    ) -> DeferredLogs:
        """See `Execution.run_step`."""
        metrics = model.metric_set.all
        self._bind(metrics)
        self.waits = not _is_own(model.optimizer, "tinyconv.optimizers")
        entry = self._entry(model, batch) if recordable and self.device.records else None
        self.backend.run = self
        try:
            if entry is None or entry.seen < 2 or entry.never:
                step(self._there(batch))
            elif entry.recording is None:
                self._record(entry, model, step, batch)
            else:
                entry.recording(batch)
                model.optimizer.iterations += 1
                self._watched += 1
        finally:
            self.backend.run = None
        return self._logs(model, metrics)

    def _there(self, batch: Any) -> Any:
        """The batch with its arrays on the device."""
        asarray = self.backend.asarray
        parts = ([None if each is None else asarray(each) for each in part] for part in batch)
        return type(batch)(*parts)

    def watched(self) -> None:
        """The device was told to watch the loss of a step."""
        if self.slots is None or self.slots.at_once:  # else it is only noted, for later
            self._watched += 1

    def generator(self, generator: Any) -> Any:
        """What a dropout draws from in this step."""
        if self.trying:
            return np.random.default_rng(0)  # nothing may change
        return generator if self.slots is None else self.slots.generator(generator)

    # ---- metrics ------------------------------------------------------------------

    def _bind(self, metrics: list[Any]) -> None:
        """Let the sums of tinyconv's own metrics lie in `state`, with the values they have."""
        own = [metric for metric in metrics if _is_own(metric, "tinyconv.metrics")]
        if len(own) != len(self._metrics) or any(
            a is not b for a, b in zip(own, self._metrics, strict=True)
        ):
            state = self.xp.zeros(_HEAD + 2 * len(own), "float64")
            state[:_HEAD] = self.state[:_HEAD]
            sums = [float(x) for metric in own for x in (metric._total, metric._count)]
            self.state, self._metrics = state, own
            self._views = [state[n : n + 1].reshape(()) for n in range(_HEAD, len(state))]
            for metric, total, count in zip(own, sums[::2], sums[1::2], strict=True):
                metric._total, metric._count = total, count
        for n, metric in enumerate(own):
            for view, name in zip(
                self._views[2 * n : 2 * n + 2], ("_total", "_count"), strict=True
            ):
                value = getattr(metric, name)
                if value is not view:
                    view[...] = float(value)
                    setattr(metric, name, view)

    def _logs(self, model: Any, metrics: list[Any]) -> DeferredLogs:
        places = {id(metric): _HEAD + 2 * n for n, metric in enumerate(self._metrics)}
        others = {m.name: m.result() for m in metrics if id(m) not in places}
        own = {m.name: places[id(m)] for m in metrics if id(m) in places}
        snapshot, failures = self.state.copy(), self._failures

        def read() -> dict[str, float]:
            values = self.backend.to_numpy(snapshot)
            if values[0]:
                raise self._failed(model, values, failures)
            sums = {name: (float(values[n]), float(values[n + 1])) for name, n in own.items()}
            return {
                **others,
                **{name: s / count if count else 0.0 for name, (s, count) in sums.items()},
            }

        return DeferredLogs([metric.name for metric in metrics], read)

    def _failed(self, model: Any, values: np.ndarray, failures: int) -> BaseException:
        """What to raise for a loss that was not finite; training may go on afterwards."""
        if failures == self._failures:  # this one was not told yet
            self._failures += 1
            model.optimizer.iterations -= self._watched - int(values[1])
            self._watched = 0
            self.state[:_HEAD] = 0.0
        error: BaseException = model.loss_error(float(values[2]))
        return error

    # ---- recordings ---------------------------------------------------------------

    def _entry(self, model: Any, batch: Any) -> Entry | None:
        """What is known of batches of this shape, if all is as it was; else a fresh start."""
        held = self._held(model)
        key = tuple(
            None if each is None else (each.shape, each.dtype.str)
            for part in batch
            for each in part
        )
        entry = self._entries.get(key)
        if entry is None or not entry.fits(held):
            if entry is None and len(self._entries) >= _MOST_RECORDINGS:
                self._entries.pop(next(iter(self._entries)))
            entry = self._entries[key] = Entry(held, never=not never_changing(model))
        entry.seen += 1
        return entry

    def _held(self, model: Any) -> list[Any]:
        """All that is built into a recording: the arrays, and what decides what is launched.

        Nothing here may keep the model, which owns all of it, alive: the objective knows its
        owner, so it is held weakly.
        """
        from tinyconv import random

        optimizer, buffer, inputs = model.optimizer, model._buffer, len(model.inputs)
        logits = model.objective.fused(model.final_activations)
        return [
            model.graph.plan(True, [False] * inputs, logits),
            weakref.ref(model.objective), optimizer, random.generator(), self.state,
            buffer.values, buffer.gradients, *optimizer.slots.values(),
            *(w.value for w in model.weights),
        ]  # fmt: skip

    def _record(self, entry: Entry, model: Any, step: Callable[[Any], None], batch: Any) -> None:
        """Take the step in memory of its own, then once more to note what it launches."""
        inputs, pool = Inputs(self.backend, batch), self.device.pool()
        inputs.fill(batch)
        self.slots = Slots(self.backend, at_once=True)
        try:
            with pool:
                step(inputs.batch)
        except Exception as error:
            if not let_go(self.device, error):
                raise
            entry.never = True
        finally:
            self.slots = None
        if entry.never:  # there is not enough memory for a second set of arrays
            del inputs, pool
            step(self._there(batch))
            return
        if pool.bytes > self.device.free_bytes() // _SHARE:
            entry.never = True
            return
        entry.hold(self._held(model))  # the optimizer may have made its slots now
        iterations, self.slots = model.optimizer.iterations, Slots(self.backend, at_once=False)
        try:
            launch = self.device.record(lambda: step(inputs.batch), pool)
            entry.recording = Recording(inputs, self.slots, launch, pool)
        except Exception as error:
            entry.never = True
            warnings.warn(
                f"{model!r}: its training step could not be recorded, so its operations are "
                f"launched one by one ({type(error).__name__}: {error})",
                stacklevel=2,
            )
        finally:
            model.optimizer.iterations, self.slots = iterations, None

    # ---- trying a batch -------------------------------------------------------------

    def attempt(
        self, model: Any, step: Callable[[Any], None], batch: Any
    ) -> Callable[[int], None] | None:
        """A function that takes a step on some of the samples, after which all is as before."""
        if self.waits:
            return None

        def attempt(samples: int) -> None:
            part = type(batch)(
                *([None if x is None else x[:samples] for x in arrays] for arrays in batch)
            )
            others = [m for m in model.metric_set.all if m not in self._metrics]
            states = [metric.get_state() for metric in others]
            before, iterations = self.state.copy(), model.optimizer.iterations
            watched = self._watched
            self.state[:1] = 1.0  # as after a loss that is not finite: weights stay
            self.backend.run, self.trying = self, True
            try:
                step(self._there(part))
            finally:
                self.backend.run, self.trying = None, False
                self.state[...] = before
                model.optimizer.iterations, self._watched = iterations, watched
                for metric, state in zip(others, states, strict=True):
                    metric.set_state(state)

        return attempt


def _is_own(thing: Any, package: str) -> bool:
    """Whether a thing is of a class of tinyconv itself, which is known to leave numbers alone."""
    return type(thing).__module__.startswith(package)
