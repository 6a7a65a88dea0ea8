"""Arrays as a data set: checked once, then cut into batches."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np

from tinyconv import random
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import integer
from tinyconv.training.batch import Batch
from tinyconv.training.input_record import InputRecord, record_of
from tinyconv.training.samples import make_batch, with_class_weights
from tinyconv.training.source import Source


class ArrayData(Source):
    """Inputs, targets and weights of the same length.

    Args:
        model, method: see `Source`.
        x: inputs (N, ...), or a list or dict of them.
        y: targets (N, ...) likewise, or None for `predict`.
        sample_weight: factors of each sample's loss, (N,) or finer, or None.
        class_weight: {class: factor}, multiplied in; a class that is not named counts 1.
        batch_size: samples a batch, 32 unless given; the last may be smaller.
        shuffle: whether each pass has its own order.

    Raises:
        TypeError: for things that are not arrays.
        ValueError: for no samples, unequal lengths, or NaN or infinity.
    """

    def __init__(
        self,
        model: Any,
        method: str,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        batch_size: int | None = None,
        shuffle: bool = False,
    ) -> None:
        super().__init__(model, method)
        if y is None and method != "predict":
            hint = ""
            if isinstance(x, (list, tuple)):
                hint = ". A list stands for the inputs; batches come from a data set or generator"
            raise ValueError(f"{model!r}: {method} needs targets y{hint}")
        # Class weights are for training alone: a validation split keeps the samples' own.
        self._plain = make_batch(model, x, y, sample_weight)
        self.all = with_class_weights(model, self._plain, class_weight)
        self.batch_size = integer(32 if batch_size is None else batch_size, "batch_size", model)
        self.shuffle = shuffle
        self._place: tuple[Any, Batch] | None = None  # a backend, and all samples there

    @property
    def samples(self) -> int:
        """Their number."""
        return len(self.all.x[0])

    @property
    def steps(self) -> int:  # type: ignore[override]
        """Number of batches."""
        return -(-self.samples // self.batch_size)

    def split(self, fraction: float) -> tuple[ArrayData, ArrayData]:
        """Everything but the last `fraction` of the samples, and these.

        Raises:
            ValueError: if one of the two would be empty.
        """
        number = isinstance(fraction, (float, np.floating)) and 0 < fraction < 1
        at = int(self.samples * (1 - fraction)) if number else 0
        if not 0 < at < self.samples:
            raise ValueError(
                f"{self.model!r}: validation_split must be between 0 and 1 and leave samples on "
                f"both sides. Received: {fraction} of {self.samples} samples"
            )
        training = self._part(slice(None, at), self.all, self.shuffle)
        return training, self._part(slice(at, None), self._plain, shuffle=False)

    def _part(self, rows: slice, batch: Batch, shuffle: bool) -> ArrayData:
        part = object.__new__(ArrayData)
        Source.__init__(part, self.model, self.method)
        part.batch_size, part.shuffle, part._place = self.batch_size, shuffle, None
        part.ranks = self.ranks
        part.all = part._plain = Batch(*(_rows(arrays, rows) for arrays in batch))
        return part

    def first_look(self) -> Batch:
        """All samples."""
        self.ranks = [x.ndim for x in self.all.x]
        return self.all

    def open(self, skip: int = 0, limit: int | None = None) -> Generator[Batch, None, None]:
        """A pass in the order of the samples, or in one drawn now."""
        order = random.generator().permutation(self.samples) if self.shuffle else None
        return self._batches(order, skip)

    def _kept(self, order: Array | None) -> tuple[Batch, Array | None]:
        """All samples and their order, where batches are taken from them fast."""
        backend, sizes = get_backend(), [len(arrays) for arrays in self.all]
        if self._place is None or self._place[0] is not backend:
            flat = backend.keep([each for arrays in self.all for each in arrays])
            parts = iter(flat)
            kept = Batch(*([next(parts) for _ in range(size)] for size in sizes))
            self._place = backend, kept
        kept = self._place[1]
        if order is not None and kept.x[0] is not self.all.x[0]:
            order = backend.asarray(order)
        return kept, order

    def _batches(self, order: Array | None, skip: int) -> Generator[Batch, None, None]:
        (xs, ys, weights), order = self._kept(order)
        inputs = list(zip(xs, self.model.input_dtypes, strict=True))
        as_it_is, take = get_backend().as_it_is, get_backend().take
        for start in range(skip * self.batch_size, self.samples, self.batch_size):
            if order is None:
                rows: Any = slice(start, start + self.batch_size)
                x = [as_it_is(each[rows], dtype) for each, dtype in inputs]
            else:
                rows = order[start : start + self.batch_size]
                x = [take(each, rows, dtype) for each, dtype in inputs]
            yield Batch(x, _rows(ys, rows), _rows(weights, rows))

    def input_records(self) -> list[InputRecord]:
        """Of samples spread over all of them."""
        return [record_of(x) for x in self.all.x]


def _rows(arrays: list[Any], rows: Any) -> list[Any]:
    return [None if each is None else each[rows] for each in arrays]
