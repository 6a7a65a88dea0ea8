"""evaluate, predict and their one-batch siblings."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.callbacks.base import Callback, CallbackList
from tinyconv.callbacks.progress import progress_bar
from tinyconv.training.arrays import ArrayData
from tinyconv.training.batch import Batch
from tinyconv.training.compiled import Compiled
from tinyconv.training.epochs import check_steps, warn_ran_out
from tinyconv.training.input_record import (
    InputRecord,
    warn_if_foreign,
    warn_if_unprepared,
)
from tinyconv.training.source import Source
from tinyconv.training.sources import source_of
from tinyconv.training.step import regularized


class Inference(Compiled):
    """What a model does in inference mode.

    Attributes:
        input_record: what `fit` saw of each input; None before.
        told_of_input_scale: whether a warning was given already.
    """

    input_record: list[InputRecord] | None = None
    told_of_input_scale = False

    def accept(self, method: str, batch: Batch) -> None:
        """Raise unless a batch can be given to `fit`, `predict`, ...; see `_accept`."""
        if method == "predict":
            self.check_inputs(batch.x)
        else:
            self._accept(method, batch)

    def _source(self, method: str, x: Any, *given: Any, **arguments: Any) -> Source:
        """The data, of which all that can be is checked before anything changes.

        Raises:
            RuntimeError: before `compile`.
            ValueError: for data that do not fit.
        """
        if method != "predict":
            self._require_compiled(method)
        data = source_of(self, method, x, *given, **arguments)
        look = data.first_look()
        data.accept(look)
        if method == "fit":
            warn_if_unprepared(self, look.x)
        return data

    # ---- evaluate -------------------------------------------------------------

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics over the data: [loss, metric, ...], or a dict with `return_dict`.

        Arguments and errors as in `fit`; `steps` batches, or all.
        """
        data = self._source("evaluate", x, y, sample_weight, batch_size=batch_size)
        check_steps(self, data, steps, "steps")
        calls = CallbackList(callbacks, self, progress_bar(verbose))
        calls.set_params({"steps": steps or data.steps, "verbose": verbose})
        with calls:
            results = self._evaluate(data, steps, calls)
        return results if return_dict else in_order_of_metrics(results)

    def _evaluate(
        self, data: Source, steps: int | None, calls: CallbackList, frozen: Any = None
    ) -> dict[str, float]:
        self.reset_metrics()
        calls.on_test_begin({})
        logs: dict[str, float] = {}
        done, wanted = 0, steps or data.steps
        penalties = regularized(self)
        with contextlib.closing(data.open(limit=steps)) as batches:
            for batch in itertools.islice(batches, wanted):
                if not done:
                    warn_if_foreign(self, batch.x)
                calls.on_test_batch_begin(done, {})
                logs = self._test_batch(batch, frozen, penalties)
                calls.on_test_batch_end(done, logs)
                done += 1
        data.end_epoch()
        if wanted is not None and done < wanted:
            warn_ran_out(self, done, wanted)
        logs = dict(logs)  # a device waits for the numbers here
        calls.on_test_end(logs)
        return logs

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of one batch, in inference mode."""
        batch = self._whole("test_on_batch", x, y, sample_weight)
        warn_if_foreign(self, batch.x)
        self.reset_metrics()
        logs = self._test_batch(batch)
        return dict(logs) if return_dict else in_order_of_metrics(logs)

    # ---- predict --------------------------------------------------------------

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
    ) -> Any:
        """The outputs (N, ...) for inputs (N, ...), computed in batches.

        A list of arrays where the model has several outputs. Of a data set that yields
        (x, y) the targets are left alone.

        Raises:
            ValueError: for inputs that do not fit the model, or hold NaN or infinity.
        """
        data = self._source("predict", x, batch_size=batch_size)
        check_steps(self, data, steps, "steps")
        wanted = steps or data.steps
        calls = CallbackList(callbacks, self, progress_bar(verbose))
        calls.set_params({"steps": wanted, "verbose": verbose})
        outputs = _Outputs(data, steps)
        done = 0
        with calls:
            calls.on_predict_begin({})
            with contextlib.closing(data.open(limit=steps)) as batches:
                for batch in itertools.islice(batches, wanted):
                    if not done:
                        warn_if_foreign(self, batch.x)
                    calls.on_predict_batch_begin(done, {})
                    y = self._predict_batch(batch.x)
                    outputs.add(y)
                    calls.on_predict_batch_end(done, {"outputs": y if len(y) > 1 else y[0]})
                    done += 1
            data.end_epoch()
            if wanted is not None and done < wanted:
                warn_ran_out(self, done, wanted)
            calls.on_predict_end({})
        return outputs.result()

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs of one batch."""
        batch = self._whole("predict", x)
        warn_if_foreign(self, batch.x)
        y = self._predict_batch(batch.x)
        return y if len(y) > 1 else y[0]

    def _whole(
        self,
        method: str,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> Batch:
        """Arrays as one batch."""
        if method != "predict":
            self._require_compiled(method)
        data = ArrayData(self, method, x, y, sample_weight, class_weight)
        data.accept(data.all)
        return data.all


class _Outputs:
    """Predictions, batch by batch: in place where their number is known, else collected."""

    def __init__(self, data: Source, steps: int | None) -> None:
        self.total = None
        if isinstance(data, ArrayData):
            self.total = min(data.samples, (steps or data.steps) * data.batch_size)
        self.parts: list[list[Array]] = []
        self.done = 0

    def add(self, outputs: list[Array]) -> None:
        """One more batch."""
        if self.total is None:
            self.parts.append(outputs)
            return
        if not self.parts:
            self.parts.append([np.empty((self.total, *y.shape[1:]), y.dtype) for y in outputs])
        for whole, y in zip(self.parts[0], outputs, strict=True):
            whole[self.done : self.done + len(y)] = y
        self.done += len(outputs[0])

    def result(self) -> Any:
        """An array, or one an output."""
        arrays = [
            each[0] if len(each) == 1 else np.concatenate(each)
            for each in zip(*self.parts, strict=True)
        ]
        return arrays if len(arrays) > 1 else arrays[0]


def in_order_of_metrics(logs: dict[str, float]) -> Any:
    """[loss, metric, ...], or the loss alone where there is no metric."""
    values = list(logs.values())
    return values if len(values) > 1 else values[0]
