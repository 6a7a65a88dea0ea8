"""How passes over the data become epochs."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from tinyconv import random
from tinyconv.geometry import integer
from tinyconv.training.batch import Batch
from tinyconv.training.position import Position
from tinyconv.training.source import Source
from tinyconv.training.warn import warn_user


class Epochs:
    """The batches of one epoch after the other.

    Without `steps` an epoch is a pass. With it an epoch is so many steps, and a pass goes on
    from one epoch to the next; an epoch in which it ends is cut short, as in Keras.

    Args:
        model: named in errors.
        data: what is gone through.
        steps: of an epoch, or None.
        first, last: epochs first ... last - 1 are asked for.

    Raises:
        ValueError: for endless data without `steps`.
    """

    def __init__(
        self, model: Any, data: Source, steps: int | None, first: int = 0, last: int = 1
    ) -> None:
        check_steps(model, data, steps, "steps_per_epoch")
        self.model, self.data, self.given = model, data, steps
        self.first, self.last = first, last
        self.random_state: dict[str, Any] | None = None  # before the pass under way was drawn
        self._pass: Generator[Batch, None, None] | None = None
        self._seen = 0  # batches of the pass under way
        self._taken = 0  # batches of all passes
        self._next: Batch | None = None  # read to see whether there is one
        self._counted: int | None = None

    @property
    def steps(self) -> int | None:
        """Of an epoch; None while that is unknown."""
        return self.given or self.data.steps or self._counted

    def go_to(self, position: Position) -> None:
        """Leave out what an earlier run of this training has seen."""
        if position.epoch >= self.last:
            return  # nothing is left to do, however many passes that were
        done, passes, skip = position.epoch - self.first, 0, position.step
        if self.given is None:
            passes = done
        elif self.data.steps is None or not self.data.restarts:
            skip += done * self.given
        else:
            passes, done = divmod(done, -(-self.data.steps // self.given))
            skip += done * self.given
        for _ in range(passes):
            self.data.pass_over()
        if not skip:
            return
        now = random.get_state()
        if position.random_state is not None:
            random.set_state(position.random_state)
        self._taken = skip
        self._open(skip)
        if position.random_state is not None:
            random.set_state(now)

    def ready(self, done: int = 0) -> bool:
        """Whether another epoch can begin: an iterator may have been used up.

        One of which `done` steps are left out already can always.
        """
        if self._taken and not done and not self.data.restarts and self._next is None:
            self._next = None if self._pass is None else next(self._pass, None)
            return self._next is not None
        return True

    def batches(self, done: int = 0) -> Iterator[Batch]:
        """The next epoch; `done` of its steps are left out already.

        Warns:
            if the data end before the steps that were asked for.
        """
        wanted = self.given or self.data.steps
        self.begin()
        while wanted is None or done < wanted:
            batch, self._next = self._next or next(self._pass, None), None  # type: ignore[arg-type]
            if batch is None and not done and self._seen and self.data.restarts:
                self._open()  # the last epoch took exactly what there was
                continue
            if batch is None:
                self.close()
                break
            done, self._seen, self._taken = done + 1, self._seen + 1, self._taken + 1
            yield batch
        if self.given is None or (self.data.restarts and self._seen == self.data.steps):
            self.close()
        if wanted is None:
            self._counted = done
        elif done < wanted:
            warn_ran_out(self.model, done, wanted)
        self.data.end_epoch()

    @property
    def under_way(self) -> bool:
        """Whether the next epoch goes on with a pass that has begun."""
        return self._pass is not None

    def begin(self) -> None:
        """Open a pass, unless one is under way."""
        if self._pass is None:
            self._open()

    def _open(self, skip: int = 0) -> None:
        self.close()
        limit = None
        if self.given is not None and not self.data.restarts:
            # What an iterator gives is gone: read no more of it than will be used.
            limit = self.given * (self.last - self.first) - self._taken
        self.random_state = random.get_state()
        self._pass, self._seen = self.data.open(skip, limit), skip

    def close(self) -> None:
        """End the pass under way."""
        if self._pass is not None:
            self._pass.close()
        self._pass = None


def check_steps(model: Any, data: Source, steps: int | None, name: str) -> None:
    """Raise ValueError for a number of steps that is none, or missing for endless data."""
    if steps is not None:
        integer(steps, name, model)
    elif data.endless:
        raise ValueError(f"{model!r}: the data never end: give {name}")


def warn_ran_out(model: Any, came: int, wanted: int) -> None:
    """Tell that data ended early; what was done with them stays."""
    warn_user(
        f"{model!r}: the data ran out after {came} of {wanted} steps. Give fewer steps, or data "
        "that go on, such as dataset.repeat()"
    )
