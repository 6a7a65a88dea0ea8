"""How the CUDA backend runs a step: without waiting for a number, and recorded where it can.

Python is ahead of the device. It stops only where somebody reads a number: the logs of a
step (deferred.py) when they are shown, the outputs of `predict`. What CPU backends decide by
looking at a number, the device decides by itself: after a loss that is not finite nothing
changes any more (kernels/step.cu), and who reads next is told. recording.py has the rest.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.device import Device
from tinyconv.backends.cuda.dropping import Dropping
from tinyconv.backends.cuda.gathering import Gathering
from tinyconv.backends.cuda.memory import too_little
from tinyconv.backends.cuda.run import Run

_SHARE = 4  # a data set that takes no more than 1 / _SHARE of what is free is kept on the device


class Steps(Dropping, Gathering):
    """The `Execution` of a device."""

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        self.run: Run | None = None  # whose step is under way
        self._runs: weakref.WeakKeyDictionary[Any, Run] = weakref.WeakKeyDictionary()

    # ---- where arrays are -------------------------------------------------------

    def as_it_is(self, x: Any, dtype: Any = None) -> Any:
        """An array of this device, or of the host: the device casts."""
        return x if isinstance(x, self.xp.ndarray) else np.asarray(x)

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        """From the host in the dtype that they have there, which may be the smaller one."""
        if not isinstance(values, np.ndarray) or self.xp is np:
            return self.device.asarray(values, dtype)
        if values.dtype.kind not in "biuf" or not values.dtype.isnative:
            return self.device.asarray(values, dtype)
        there = self.xp.empty(values.shape, values.dtype)
        self.device.upload(values, there)
        return there if dtype is None else there.astype(dtype, copy=False)

    def bring(self, x: Any) -> Any:
        """From the host."""
        return self.asarray(x)

    def keep(self, arrays: Sequence[Any]) -> list[Any]:
        """All on the device, if they are small beside what is free there."""
        total = sum(each.nbytes for each in arrays if each is not None)
        if total > self.device.free_bytes() // _SHARE:
            return list(arrays)
        return [None if each is None else self.asarray(each) for each in arrays]

    def take(self, x: Any, rows: Any, dtype: Any) -> Any:
        """Where x is; the step brings it to the device."""
        return self.gather(x, rows, dtype) if isinstance(x, self.xp.ndarray) else x[rows]

    # ---- numbers ------------------------------------------------------------------

    def _waits(self, x: Any) -> bool:
        """Whether Python reads this number now."""
        return self.run is None or isinstance(x, (float, int, np.ndarray, np.generic))

    def number(self, x: Any) -> Any:
        """In a step it stays where it is."""
        return float(x) if self._waits(x) else x

    def each_step(self, value: Callable[[], Any], dtype: str = "float64") -> Any:
        """value(), or its place in a recorded step."""
        slots = None if self.run is None else self.run.slots
        return value() if slots is None else slots.add(value, dtype)

    def dropout(self, x: Array, rate: float, generator: np.random.Generator) -> tuple[Array, Array]:
        """With a key that a recorded step draws anew each time."""
        if self.run is not None:
            generator = self.run.generator(generator)
        return super().dropout(x, rate, generator)

    def is_finite(self, loss: Any) -> bool:
        """Yes, while nobody waits for the loss; see `Run.failed`."""
        if self.run is None or self.run.waits or self._waits(loss):
            return math.isfinite(float(loss))
        self.device.launch("step:watch", loss.dtype, 1, loss, self.run.state)
        self.run.watched()
        return True

    def put_back(self, before: Sequence[tuple[Any, Any]]) -> None:
        """Undo what followed a loss that is not finite."""
        if self._failed is None:
            return
        for variable, old in before:
            value = variable.value
            self.device.launch("step:put_back", value.dtype, value.size, value, old, self._failed)

    def shrink(self, values: Any, factor: Any) -> None:
        """Unless the loss was not finite."""
        here, there = (factor, None) if isinstance(factor, float) else (0.0, factor)
        numbers = np.float64(here), there, self._failed
        self.device.launch("step:shrink", values.dtype, values.size, values, *numbers)

    @property
    def _failed(self) -> Array | None:
        """Where the device notes that a loss was not finite, for what changes weights."""
        return None if self.run is None or self.run.waits else self.run.state

    # ---- steps ----------------------------------------------------------------------

    def run_step(
        self, model: Any, step: Callable[[Any], None], batch: Any, recordable: bool
    ) -> dict[str, float]:
        """The logs are read when somebody looks at them."""
        run = self._runs.get(model)
        if run is None:
            run = self._runs[model] = Run(self)
        samples = len(batch.x[0])
        try:
            return run.step(model, step, batch, recordable)
        except Exception as error:
            told = too_little(
                self.device, repr(model), samples, error, run.attempt(model, step, batch)
            )
            if told is None:
                raise
        raise told

    def run_prediction(
        self, model: Any, predict: Callable[[list[Any]], list[Any]], inputs: list[Any]
    ) -> list[Any]:
        """Read at once: somebody asked for them."""

        def attempt(samples: int) -> None:
            predict([x[:samples] for x in inputs])

        try:
            return predict(inputs)
        except Exception as error:
            told = too_little(self.device, repr(model), len(inputs[0]), error, attempt)
            if told is None:
                raise
        raise told
