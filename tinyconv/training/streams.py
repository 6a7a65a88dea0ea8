"""Data that come batch by batch: `tf.data`, generators, loaders, `PyDataset`."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from abc import abstractmethod
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from tinyconv import random
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import fits
from tinyconv.training.batch import Batch
from tinyconv.training.input_record import InputRecord, record_of
from tinyconv.training.prefetch import Prefetch
from tinyconv.training.samples import make_batch, with_class_weights
from tinyconv.training.source import Source

_END = object()


class StreamData(Source):
    """Batches (x,), (x, y) or (x, y, weights) that somebody else makes.

    They are read, checked and converted by a thread, ahead of the model.

    Args:
        model, method: see `Source`.
        data: gives the batches.
        class_weight: {class: factor}, multiplied in.
    """

    def __init__(
        self, model: Any, method: str, data: Any, class_weight: Mapping[int, float] | None = None
    ) -> None:
        super().__init__(model, method)
        self.data, self.class_weight = data, class_weight
        self._records: list[InputRecord] = []

    @abstractmethod
    def _first(self) -> Any:
        """The first batch as it comes; _END where there is none."""

    @abstractmethod
    def _pass(self, skip: int) -> Iterator[Any]:
        """A new pass over the batches as they come."""

    def first_look(self) -> Batch:
        """The first batch.

        Raises:
            ValueError: if there is none.
        """
        with self._numbered(0, iterating=True):
            element = self._first()
        if element is _END:
            raise ValueError(
                f"{self.model!r}: {self.method} was given a data set without a single batch. "
                "A generator can be gone through only once"
            )
        with self._numbered(0):
            x, y, _ = _parts(element)
            raw = make_batch(self.model, x).x
            self._check_batched(raw, y)
            if self.method == "fit":
                self._records = [record_of(x) for x in raw]
            self.ranks = [x.ndim for x in raw]
            return self._convert(element)

    def _check_batched(self, x: list[Array], y: Any) -> None:
        """Raise ValueError for a single sample: inputs without a batch, or a number as y."""
        shapes, declared = [each.shape for each in x], self.model.declared_shapes
        single = len(shapes) == len(declared) and all(map(fits, shapes, declared))
        if single or isinstance(y, (int, float)) or getattr(y, "ndim", None) == 0:
            raise ValueError(
                f"{self.model!r}: {self.method} needs batches, but the data set gives single "
                f"samples: batch them first, a tf.data.Dataset by .batch(32). "
                f"Received: x of shape {', '.join(map(str, shapes))}"
            )

    def accept(self, batch: Batch, number: int = 0) -> None:
        """Check a batch against the model, which is built by the first.

        Raises:
            ValueError: naming the batch.
        """
        with self._numbered(number):
            super().accept(batch)

    def open(self, skip: int = 0, limit: int | None = None) -> Generator[Batch, None, None]:
        """A new pass; its order is settled now."""
        return self._accepted(self._pass(skip), skip, limit)

    def _accepted(
        self, elements: Iterator[Any], skip: int, limit: int | None
    ) -> Generator[Batch, None, None]:
        if limit is not None:
            elements = itertools.islice(elements, limit)
        with contextlib.closing(Prefetch(self._batches(elements, skip))) as batches:
            del elements  # the thread owns them
            for number, batch in enumerate(batches, skip):
                self.accept(batch, number)
                yield batch

    def _batches(self, elements: Iterator[Any], skip: int) -> Generator[Batch, None, None]:
        for number in itertools.count(skip):
            with self._numbered(number, iterating=True):
                element = next(elements, _END)
            if element is _END:
                return
            with self._numbered(number):
                yield self._convert(element)

    @contextlib.contextmanager
    def _numbered(self, number: int, iterating: bool = False) -> Iterator[None]:
        """Tell the batch with an error: a note on what is not ours, else in the message."""
        try:
            yield
        except Exception as error:
            if not iterating and isinstance(error, (TypeError, ValueError)):
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"batch {number} (counted from 0): {error}") from error
            if iterating and hasattr(error, "add_note"):  # from Python 3.11 on
                error.add_note(
                    f"{self.model!r}: raised by the data given to {self.method}, while batch "
                    f"{number} (counted from 0) was read"
                )
            raise

    def _convert(self, element: Any) -> Batch:
        x, y, weights = _parts(element)
        if self.method == "predict":
            y = weights = None
        elif y is None:
            raise ValueError(
                f"{self.model!r}: {self.method} needs batches (x, y) or (x, y, sample_weight). "
                "Received: x alone"
            )
        batch = make_batch(self.model, x, y, weights)
        batch = with_class_weights(self.model, batch, self.class_weight)
        as_it_is, dtypes = get_backend().as_it_is, self.model.input_dtypes
        return batch._replace(
            x=[as_it_is(each, dtype) for each, dtype in zip(batch.x, dtypes, strict=True)]
        )

    def input_records(self) -> list[InputRecord]:
        """Of the first batch; it counts nothing, for training will add the batch."""
        return [dataclasses.replace(record, count=0) for record in self._records]


class IterableData(StreamData):
    """A `tf.data.Dataset`, a loader, a generator: anything with an iterator.

    A dataset or list-like is iterated anew for each pass; an iterator goes on where it is.
    """

    def __init__(
        self, model: Any, method: str, data: Any, class_weight: Mapping[int, float] | None = None
    ) -> None:
        super().__init__(model, method, data, class_weight)
        self.restarts = not hasattr(data, "__next__")
        self.steps, self.endless = _length(data)
        self._held: Iterator[Any] | None = None  # a pass whose first batch was looked at

    def _fresh(self) -> Iterator[Any]:
        numpy = getattr(self.data, "as_numpy_iterator", None)
        return iter(self.data if numpy is None else numpy())

    def _first(self) -> Any:
        elements = self._fresh()
        first = next(elements, _END)
        self._held = itertools.chain([first], elements)
        return first

    def _pass(self, skip: int) -> Iterator[Any]:
        elements, self._held = self._held or self._fresh(), None
        for number in range(skip):
            with self._numbered(number, iterating=True):
                if next(elements, _END) is _END:
                    break
        return elements

    def pass_over(self) -> None:
        """Begin a pass and leave it: data that are shuffled anew each time have moved on."""
        if self.restarts:
            next(self._pass(0), None)


class SequenceData(StreamData):
    """Batches by number, `data[i]`, as of `keras.utils.PyDataset`.

    As in Keras, shuffling means the order of the batches.
    """

    def __init__(
        self,
        model: Any,
        method: str,
        data: Any,
        class_weight: Mapping[int, float] | None = None,
        shuffle: bool = False,
    ) -> None:
        super().__init__(model, method, data, class_weight)
        count = data.num_batches if hasattr(data, "num_batches") else len(data)
        self.steps, self.endless = count, count is None
        self.shuffle = shuffle
        self._call("on_epoch_begin")

    def _call(self, name: str) -> None:
        getattr(self.data, name, lambda: None)()

    def _first(self) -> Any:
        return _END if self.steps == 0 else self.data[0]

    def _pass(self, skip: int) -> Iterator[Any]:
        numbers: Any = itertools.count() if self.steps is None else range(self.steps)
        if self.shuffle and self.steps is not None:
            numbers = random.generator().permutation(self.steps).tolist()
        return (self.data[number] for number in itertools.islice(numbers, skip, None))

    def end_epoch(self) -> None:
        """The data may change between epochs."""
        self._call("on_epoch_end")
        self._call("on_epoch_begin")

    pass_over = end_epoch


def _length(data: Any) -> tuple[int | None, bool]:
    """Number of batches where it is known, and whether they never end."""
    if hasattr(data, "cardinality"):
        count = int(data.cardinality())
        return (count if count >= 0 else None), count == -1
    try:
        return len(data), False
    except TypeError:
        return None, False


def _parts(element: Any) -> tuple[Any, Any, Any]:
    """x, y and weights of what an iterator gave; as in Keras a list is taken for a tuple."""
    if not isinstance(element, (tuple, list)):
        return element, None, None
    if not 1 <= len(element) <= 3:
        raise ValueError(
            f"expected batches (x,), (x, y) or (x, y, sample_weight). Received: {len(element)} "
            f"things in a {type(element).__name__}"
        )
    x, y, weights = (*element, None, None)[:3]
    return x, y, weights
