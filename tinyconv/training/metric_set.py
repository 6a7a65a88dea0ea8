"""The running means of a training: loss, losses of the outputs, metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinyconv import metrics as metrics_lib
from tinyconv.backends import get_backend
from tinyconv.geometry import Shape
from tinyconv.training.batch import Batch
from tinyconv.training.objective import Objective, ObjectiveResult
from tinyconv.training.structure import per_output


class MetricSet:
    """What `fit` shows and `evaluate` returns, by name.

    With several outputs it is loss, head_loss for each output with a loss, and
    head_accuracy and so on; with one it is loss, accuracy, ...

    Args:
        objective: whose losses are averaged.
        shapes: of the outputs, with the batch.
        metrics: names or objects for each output, see `Compiled.compile`.
        weighted: the same, with the samples' weights counted.

    Raises:
        ValueError: for an unknown metric, or entries that do not fit the outputs.
    """

    def __init__(
        self, objective: Objective, shapes: Sequence[Shape], metrics: Any, weighted: Any = None
    ) -> None:
        names, losses = objective.names, objective.losses
        several = len(names) > 1
        prefixes = [f"{name}_" if several else "" for name in names]
        self.total: metrics_lib.Metric = metrics_lib.Mean("loss")
        self.losses: list[tuple[int, metrics_lib.Metric]] = [
            (index, metrics_lib.Mean(f"{prefixes[index]}loss"))
            for index, loss in enumerate(losses)
            if several and loss is not None
        ]
        self.others: list[tuple[int, bool, metrics_lib.Metric]] = []
        for counted, given in ((False, metrics), (True, weighted)):
            for index, requests in enumerate(_requests(objective, given)):
                outputs = shapes[index][-1] if shapes else None
                for request in requests:
                    metric = metrics_lib.get(request, losses[index], outputs)
                    taken = {other.name for other in self.all}
                    metric.name = _free_name(metric.name, prefixes[index], counted, taken)
                    self.others.append((index, counted, metric))
        if several:  # the order in which Keras' evaluate returns them
            self.others.sort(key=lambda entry: entry[2].name)

    @property
    def all(self) -> list[metrics_lib.Metric]:
        """Every metric, in the order that `evaluate` returns them."""
        own = [metric for _, metric in self.losses]
        return [self.total, *own, *(metric for _, _, metric in self.others)]

    def reset(self) -> None:
        """Start all means anew."""
        for metric in self.all:
            metric.reset_state()

    def results(self) -> dict[str, float]:
        """The means so far."""
        return {metric.name: metric.result() for metric in self.all}

    def check(self, batch: Batch, shapes: Sequence[Shape]) -> None:
        """Raise ValueError unless the targets fit metrics of outputs of these shapes."""
        for index, _, metric in self.others:
            y = batch.y[index]
            if y is not None:
                metric.check_targets(y.shape, (len(y), *shapes[index][1:]))

    def add(self, result: ObjectiveResult, batch: Batch) -> None:
        """Count one batch more."""
        samples, to_numpy = len(result.predictions[0]), get_backend().to_numpy
        self.total.update_state(result.value, samples)
        for index, metric in self.losses:
            metric.update_state(result.values[index], samples)
        for index, counted, metric in self.others:
            weight = batch.weights[index] if counted else None
            given = [batch.y[index], result.predictions[index], weight]
            if type(metric).__module__ != metrics_lib.__name__:  # a user's counts with NumPy
                given = [None if x is None else to_numpy(x) for x in given]
            metric.update_state(*given)


def _free_name(name: str, prefix: str, counted: bool, taken: set[str]) -> str:
    """head_accuracy; head_weighted_accuracy or head_accuracy_1 where there is one already."""
    own = name[len(prefix) :] if name.startswith(prefix) else name
    if counted and f"{prefix}{own}" in taken:
        own = f"weighted_{own}"
    free, number = f"{prefix}{own}", 0
    while free in taken:
        number += 1
        free = f"{prefix}{own}_{number}"
    return free


def _requests(objective: Objective, given: Any) -> list[list[Any]]:
    """A list of metrics for each output."""
    names = objective.names
    if len(names) == 1 and isinstance(given, (list, tuple)):
        flat = given[0] if len(given) == 1 and isinstance(given[0], (list, tuple)) else given
        return [list(flat)]
    entries = per_output(objective.owner, names, given, "metrics")
    return [
        list(each) if isinstance(each, (list, tuple)) else [] if each is None else [each]
        for each in entries
    ]
