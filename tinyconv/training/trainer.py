"""fit and train_on_batch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from inspect import isfunction
from typing import Any

from tinyconv import registry
from tinyconv.callbacks.base import Callback, CallbackList
from tinyconv.callbacks.history import History
from tinyconv.callbacks.progress import progress_bar
from tinyconv.geometry import integer
from tinyconv.training.arrays import ArrayData
from tinyconv.training.epochs import Epochs, check_steps
from tinyconv.training.frozen import CachedBase
from tinyconv.training.inference import Inference, in_order_of_metrics
from tinyconv.training.input_record import InputRecord, warn_if_unscaled
from tinyconv.training.position import Position
from tinyconv.training.source import Source
from tinyconv.training.sources import is_stream
from tinyconv.training.warn import warn_user


class Trainer(Inference):
    """The training half of a model.

    Attributes:
        stop_training: set it, in a callback say, and the training ends with this step.
        history: of the last `fit`.
        position: the step that `fit` takes next. A callback may set it in `on_train_begin`
            to go on with an earlier training.
    """

    stop_training = False
    history: History | None = None
    position: Position = Position()

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
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        cache_frozen_features: bool | str | os.PathLike[str] = False,
        **unsupported: Any,
    ) -> History:
        """Train for `epochs` - `initial_epoch` epochs.

        The batches of a data set are read by a thread, ahead of the step that needs them: an
        iterator should not share a random generator with the training.

        Args:
            x: inputs (N, ...), or a list or dict of them; or a data set: a `tf.data.Dataset`,
                a `PyDataset`, a generator or other iterable of (x, y) or (x, y, weights).
            y: targets (N, ...) likewise, where x is arrays.
            batch_size: samples a step, 32 unless given.
            epochs: number of the epoch to stop at.
            verbose: 0 silent, 1 a progress bar, 2 a line an epoch; "auto" is 1 on a terminal.
            callbacks: called at every step and epoch.
            validation_split: fraction, taken from the end before any shuffling.
            validation_data: (x, y), (x, y, sample_weight) or a data set, evaluated after each
                epoch.
            shuffle: whether each epoch sees the samples (of a `PyDataset` the batches) in a
                new order.
            class_weight: {class: factor}; sample_weight: (N,) factors of the loss.
            initial_epoch: number of the epoch to start at.
            steps_per_epoch: steps that make an epoch, instead of a pass over the data. As in
                Keras the next epoch goes on where the last one stopped.
            validation_steps: batches to evaluate, from the first on; all unless given.
            validation_batch_size: `batch_size` unless given.
            validation_freq: epochs from one validation to the next.
            cache_frozen_features: True computes what the frozen layers at the bottom of the
                model make of a sample once and not every epoch (in memory up to 1 GiB, then in
                a temporary file); the path of a folder keeps it there for later fits as well.
                It is known by the sample's bytes, so the data may come in any order, but must
                be the same every epoch.

        Returns:
            The `History`; its `history` holds a list a name, one value an epoch.

        Raises:
            RuntimeError: before `compile`.
            ValueError: for data that do not fit, naming the batch where they come in batches.
            TypeError: naming an argument that is not supported.
            FloatingPointError: if the loss becomes NaN or infinite.
        """
        if unsupported:
            raise registry.unsupported(Trainer.fit, f"{self!r}: fit", unsupported)
        integer(epochs, "epochs", self, minimum=0)
        integer(initial_epoch, "initial_epoch", self, minimum=0)
        integer(validation_freq, "validation_freq", self)
        data = self._source("fit", x, y, sample_weight, class_weight, batch_size, shuffle)
        data, validation = self._validation(
            data, validation_data, validation_split, batch_size, validation_batch_size
        )
        first = -(-(initial_epoch + 1) // validation_freq) * validation_freq - 1
        validated = range(first, epochs, validation_freq)  # there may be a billion epochs
        if validation is not None:
            check_steps(self, validation, validation_steps, "validation_steps")
            if not validation.restarts and validation_steps is None and validated[1:]:
                raise ValueError(
                    f"{self!r}: validation_data is an iterator, which can be gone through only "
                    f"once, and is asked for {len(validated)} times: give validation_steps, or "
                    "something that can be iterated anew"
                )
        feed = Epochs(self, data, steps_per_epoch, initial_epoch, epochs)
        history = History()
        calls = CallbackList(callbacks, self, history, progress_bar(verbose))
        self._begin_training()
        frozen = None
        if cache_frozen_features is not False:
            frozen = CachedBase(self, cache_frozen_features)
        self._record_inputs(data)
        params = {"epochs": epochs, "steps": feed.steps, "verbose": verbose}
        calls.set_params(params)
        self.stop_training, self.history = False, history
        self.position = Position(initial_epoch)
        kept = contextlib.nullcontext() if frozen is None else contextlib.closing(frozen)
        with kept, calls, contextlib.closing(feed):
            calls.on_train_begin({})
            start = self.position
            feed.go_to(start)
            recording = start.epoch == initial_epoch and not isinstance(data, ArrayData)
            logs: dict[str, float] = {}
            for epoch in range(start.epoch, epochs):
                if not feed.ready(self.position.step):
                    warn_user(
                        f"{self!r}: the data are used up, so training ends after {epoch} of "
                        f"{epochs} epochs. Give something that can be iterated anew"
                    )
                    break
                calls.on_epoch_begin(epoch, {})
                feed.begin()
                self.position.random_state = feed.random_state
                records = (self.input_record or []) if recording else []
                if frozen is not None:
                    frozen.begin_epoch()
                logs = self._train_epoch(feed, records, calls, frozen)
                recording, params["steps"] = False, feed.steps
                if frozen is not None:
                    frozen.end_epoch(epoch, data.steps, feed.steps)
                if validation is not None and epoch in validated:
                    results = self._evaluate(validation, validation_steps, calls, frozen)
                    logs.update({f"val_{name}": value for name, value in results.items()})
                goes_on = feed.random_state if feed.under_way else None
                self.position = Position(epoch + 1, 0, goes_on)
                calls.on_epoch_end(epoch, logs)
                if self.stop_training:
                    break
            calls.on_train_end(logs)
        return history

    def _validation(
        self,
        data: Source,
        given: Any,
        fraction: float,
        batch_size: int | None,
        own_batch_size: int | None,
    ) -> tuple[Source, Source | None]:
        """Training and validation data."""
        if own_batch_size is not None:
            integer(own_batch_size, "validation_batch_size", self)
        size = own_batch_size or batch_size
        if given is not None:
            if is_stream(given):
                if own_batch_size is not None:
                    raise ValueError(
                        f"{self!r}: fit takes no validation_batch_size where validation_data is "
                        f"a data set, which makes its own batches. Received: {own_batch_size}"
                    )
                return data, self._source("validation", given)
            if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
                name = getattr(given, "__name__", "")
                hint = f" {name}. Call it: {name}()" if isfunction(given) else ""
                raise ValueError(
                    f"{self!r}: validation_data must be (x, y), (x, y, sample_weight) or a data "
                    f"set. Received: {type(given).__name__}{hint}"
                )
            return data, self._source("validation", *given, batch_size=size)
        if not fraction:
            return data, None
        if not isinstance(data, ArrayData):
            raise ValueError(
                f"{self!r}: fit takes no validation_split where x is a data set: split it "
                f"yourself and give validation_data. Received: {fraction}"
            )
        training, validation = data.split(fraction)
        validation.batch_size = size or validation.batch_size
        return training, validation

    def _record_inputs(self, data: Source) -> None:
        """Remember what is trained on; a word about pixels that were never scaled."""
        self.input_record, self.told_of_input_scale = data.input_records(), False
        if not self._scales_inputs():
            warn_if_unscaled(self, self.input_record, data.ranks)

    def _train_epoch(
        self,
        feed: Epochs,
        records: list[InputRecord],
        calls: CallbackList,
        frozen: CachedBase | None = None,
    ) -> dict[str, float]:
        step = self.position.step
        logs: dict[str, float] = self.metric_set.results() if step else {}
        if not step:
            self.reset_metrics()
        for batch in feed.batches(step):
            calls.on_train_batch_begin(step, {})
            for record, x in zip(records, batch.x, strict=False):
                record.add(x)
            logs = self._train_batch(batch, frozen)
            self.position.step = step + 1
            calls.on_train_batch_end(step, logs)
            step += 1
            if self.stop_training:
                break
        return dict(logs)  # a device waits for the numbers here

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch; its loss and metrics, which are those of this batch alone.

        It leaves `input_record` alone: that is what `fit` saw.
        """
        batch = self._whole("train_on_batch", x, y, sample_weight, class_weight)
        self._begin_training()
        self.reset_metrics()
        logs = self._train_batch(batch)
        return dict(logs) if return_dict else in_order_of_metrics(logs)
