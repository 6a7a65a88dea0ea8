"""How a backend runs the steps of a model: where numbers are, and when they are read.

On a CPU a number is there as soon as it is asked for, and all of this is trivial: the methods
here are a CPU's. A GPU computes later than Python tells it to, and Python stops whenever it
reads a number; so the CUDA backend (backends/cuda/steps.py) leaves numbers where they are
until a person looks, and records what a step launches to repeat it in one go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Execution:
    """What training asks of a backend beside arrays and operations."""

    def number(self, x: Any) -> Any:
        """A sum as a number; on a device it may stay an array until float() reads it."""
        return float(x)

    def each_step(self, value: Callable[[], Any], dtype: str = "float64") -> Any:
        """value(): a number that is another one in every step, such as a learning rate.

        In a recorded step it is an array of one number, written anew for each repetition.
        """
        return value()

    def as_it_is(self, x: Any, dtype: Any = None) -> Any:
        """x as an array, left where it lies; cast if it is the host that casts."""
        return np.asarray(x, dtype)

    def bring(self, x: Any) -> Any:
        """An array of another backend as one of this."""
        return np.asarray(x.get() if hasattr(x, "get") else x)  # CuPy's own way to the host

    def keep(self, arrays: Sequence[Any]) -> list[Any]:
        """Arrays that batches are taken from, where that is fast; None stays None."""
        return list(arrays)

    def take(self, x: Any, rows: Any, dtype: Any) -> Any:
        """x[rows] of an array that is kept, cast as by `as_it_is`; rows: their numbers."""
        return self.gather(x, rows, dtype)  # type: ignore[attr-defined]

    def fingerprint(self, x: Any) -> bytes | None:
        """Equal for equal arrays, another one for others; None where it would cost too much."""
        return None

    def is_finite(self, loss: Any) -> bool:
        """Whether training may go on.

        A device that can't tell without waiting says yes. If the loss was not finite it changes
        no weight any more, and the error is raised when its numbers are read.
        """
        return math.isfinite(loss)

    def put_back(self, before: Sequence[tuple[Any, Any]]) -> None:
        """Variables and their values before this step, for a device that could not tell."""

    def shrink(self, values: Any, factor: Any) -> None:
        """values *= factor, in place: weight decay."""
        values *= factor

    def run_step(
        self, model: Any, step: Callable[[Any], None], batch: Any, recordable: bool
    ) -> dict[str, float]:
        """step(batch), which adds to the metrics of the model -> their means so far, by name.

        Args:
            model: a compiled one.
            step: of training, or of an evaluation.
            batch: a `Batch`.
            recordable: whether it is a step of training that does the same for each batch.

        Raises:
            MemoryError: if a device has too little, with a batch size that fits.
        """
        step(batch)
        results: dict[str, float] = model.metric_set.results()
        return results

    def run_prediction(
        self, model: Any, predict: Callable[[list[Any]], list[Any]], inputs: list[Any]
    ) -> list[Any]:
        """predict(inputs).

        Raises:
            MemoryError: as `run_step`.
        """
        return predict(inputs)
