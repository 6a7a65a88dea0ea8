"""What training asks of data, wherever they come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Any

from tinyconv.training.batch import Batch
from tinyconv.training.input_record import InputRecord


class Source(ABC):
    """Batches of samples, gone through in passes.

    Args:
        model: whose inputs and outputs they are for.
        method: what they were given to: "fit", "predict", ...

    Attributes:
        steps: batches of a pass, None where that is not known before its end.
        endless: whether a pass never ends.
        restarts: whether there can be a second pass.
        ranks: dimensions of the inputs, known from the first look on.
    """

    steps: int | None = None
    endless = False
    restarts = True
    ranks: list[int]

    def __init__(self, model: Any, method: str) -> None:
        self.model, self.method = model, method

    @abstractmethod
    def first_look(self) -> Batch:
        """What can be checked before anything is computed: all samples, or the first batch."""

    @abstractmethod
    def open(self, skip: int = 0, limit: int | None = None) -> Generator[Batch, None, None]:
        """A new pass.

        Args:
            skip: batches to leave out at the beginning.
            limit: batches after which nothing more is read.
        """

    def accept(self, batch: Batch, number: int = 0) -> None:
        """Check a batch against the model, which is built by the first."""
        self.model.accept(self.method, batch)

    @abstractmethod
    def input_records(self) -> list[InputRecord]:
        """Range and mean of the inputs, as far as they are known."""

    def pass_over(self) -> None:  # noqa: B027  (few have anything to do)
        """Count a pass that was made in an earlier life of this training."""

    def end_epoch(self) -> None:  # noqa: B027
        """Told after each epoch."""
