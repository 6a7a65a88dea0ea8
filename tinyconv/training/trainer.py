"""fit, evaluate, predict and their one-batch siblings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinyconv import random
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.callbacks.base import Callback, CallbackList
from tinyconv.callbacks.history import History
from tinyconv.callbacks.progress import progress_bar
from tinyconv.training.arrays import ArrayData, check_count
from tinyconv.training.arrays import Batch as Parts
from tinyconv.training.batch import Batch
from tinyconv.training.compiled import Compiled


class Trainer(Compiled):
    """The training half of a model."""

    stop_training = False
    history: History | None = None

    # ---- fit ------------------------------------------------------------------

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Sequence[Callback] | Callback | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
    ) -> History:
        """Train for `epochs` - `initial_epoch` passes over the data.

        Args:
            x: inputs (N, ...); y: targets (N, ...).
            batch_size: samples a step, 32 unless given.
            epochs: number of the epoch to stop at.
            verbose: 0 silent, 1 a progress bar, 2 a line an epoch; "auto" is 1 on a terminal.
            callbacks: called at every step and epoch.
            validation_split: fraction, taken from the end before any shuffling.
            validation_data: (x, y) or (x, y, sample_weight), evaluated after each epoch.
            shuffle: whether each epoch sees the samples in a new order.
            class_weight: {class: factor}; sample_weight: (N,) factors of the loss.
            initial_epoch: number of the epoch to start at.
            validation_batch_size: `batch_size` unless given.
            validation_freq: epochs from one validation to the next.

        Returns:
            The `History`; its `history` holds a list a name, one value an epoch.

        Raises:
            RuntimeError: before `compile`.
            ValueError: for data that do not fit; see `ArrayData` and the loss.
            FloatingPointError: if the loss becomes NaN or infinite.
        """
        check_count(self, epochs, "epochs", least=0)
        check_count(self, initial_epoch, "initial_epoch", least=0)
        check_count(self, validation_freq, "validation_freq")
        data = self._data("fit", x, y, sample_weight, class_weight, batch_size)
        data, validation = self._validation(data, validation_data, validation_split)
        if validation is not None and validation_batch_size is not None:
            check_count(self, validation_batch_size, "validation_batch_size")
            validation.batch_size = validation_batch_size
        if not self._scales_inputs():
            data.warn_if_unscaled(self)
        self._begin_training()
        history = History()
        calls = CallbackList(callbacks, self, history, progress_bar(verbose))
        calls.set_params({"epochs": epochs, "steps": len(data), "verbose": verbose})
        self.stop_training, self.history = False, history
        with calls:
            calls.on_train_begin({})
            logs: dict[str, float] = {}
            for epoch in range(initial_epoch, epochs):
                calls.on_epoch_begin(epoch, {})
                order = random.generator().permutation(len(data.x)) if shuffle else None
                logs = self._train_epoch(data.batches(order), calls)
                if validation is not None and (epoch + 1) % validation_freq == 0:
                    results = self._evaluate(validation, calls)
                    logs.update({f"val_{name}": value for name, value in results.items()})
                calls.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            calls.on_train_end(logs)
        return history

    def _validation(
        self, data: ArrayData, given: Any, fraction: float
    ) -> tuple[ArrayData, ArrayData | None]:
        """Training and validation data."""
        if given is not None:
            if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
                raise ValueError(
                    f"{self!r}: validation_data must be (x, y) or (x, y, sample_weight). "
                    f"Received: {type(given).__name__}"
                )
            x, y, weight = (*given, None)[:3]
            return data, self._data("fit", x, y, weight, batch_size=data.batch_size)
        return data.split(self, fraction) if fraction else (data, None)

    def _train_epoch(self, batches: Iterator[Parts], calls: CallbackList) -> dict[str, float]:
        self.reset_metrics()
        logs: dict[str, float] = {}
        for step, (x, y, weight) in enumerate(batches):
            calls.on_train_batch_begin(step, {})
            logs = self._train_batch(Batch([x], [y], [weight]))
            calls.on_train_batch_end(step, logs)
            if self.stop_training:
                break
        return logs

    def _data(
        self,
        method: str,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        batch_size: int | None = None,
    ) -> ArrayData:
        self._require_compiled(method)
        if y is None:
            raise ValueError(f"{self!r}: {method} needs targets y")
        data = ArrayData(self, x, y, sample_weight, class_weight, batch_size, self.input_dtypes[0])
        self._accept(method, Batch([data.x], [data.y], [data.weights]))
        return data

    # ---- evaluate and predict -------------------------------------------------

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        callbacks: Sequence[Callback] | Callback | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Loss and metrics over the data: [loss, metric, ...], or a dict with `return_dict`.

        Arguments and errors as in `fit`.
        """
        data = self._data("evaluate", x, y, sample_weight, batch_size=batch_size)
        calls = CallbackList(callbacks, self, progress_bar(verbose))
        calls.set_params({"steps": len(data), "verbose": verbose})
        with calls:
            results = self._evaluate(data, calls)
        return results if return_dict else _in_order(results)

    def _evaluate(self, data: ArrayData, calls: CallbackList) -> dict[str, float]:
        self.reset_metrics()
        calls.on_test_begin({})
        logs: dict[str, float] = {}
        for step, (x, y, weight) in enumerate(data.batches()):
            calls.on_test_batch_begin(step, {})
            logs = self._test_batch(Batch([x], [y], [weight]))
            calls.on_test_batch_end(step, logs)
        calls.on_test_end(logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        callbacks: Sequence[Callback] | Callback | None = None,
    ) -> Array:
        """The outputs (N, ...) for inputs (N, ...), computed in batches.

        Raises:
            ValueError: for inputs that do not fit the model, or hold NaN or infinity.
        """
        data = ArrayData(self, x, batch_size=batch_size, dtype=self.input_dtypes[0])
        calls = CallbackList(callbacks, self, progress_bar(verbose))
        calls.set_params({"steps": len(data), "verbose": verbose})
        outputs: Array | None = None
        with calls:
            calls.on_predict_begin({})
            done = 0
            for step, (batch, _, _) in enumerate(data.batches()):
                calls.on_predict_batch_begin(step, {})
                y = get_backend().to_numpy(self.infer(batch))
                if outputs is None:
                    outputs = np.empty((len(data.x), *y.shape[1:]), y.dtype)
                outputs[done : done + len(y)] = y
                done += len(y)
                calls.on_predict_batch_end(step, {"outputs": y})
            calls.on_predict_end({})
        assert outputs is not None  # ArrayData holds at least one sample
        return outputs

    # ---- one batch ------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch; as in Keras the metrics run on until `reset_metrics()`."""
        data = self._data("train_on_batch", x, y, sample_weight, class_weight)
        x, y, weight = data.whole()
        self._begin_training()
        logs = self._train_batch(Batch([x], [y], [weight]))
        return logs if return_dict else _in_order(logs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of one batch, in inference mode."""
        x, y, weight = self._data("test_on_batch", x, y, sample_weight).whole()
        logs = self._test_batch(Batch([x], [y], [weight]))
        return logs if return_dict else _in_order(logs)

    def predict_on_batch(self, x: Any) -> Array:
        """The outputs of one batch."""
        data = ArrayData(self, x, dtype=self.input_dtypes[0])
        return get_backend().to_numpy(self.infer(data.whole()[0]))


def _in_order(logs: dict[str, float]) -> Any:
    """[loss, metric, ...], or the loss alone where there is no metric."""
    values = list(logs.values())
    return values if len(values) > 1 else values[0]
