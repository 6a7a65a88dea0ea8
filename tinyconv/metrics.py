"""Metrics: what a person reads during training, averaged over the samples seen so far."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from tinyconv import registry
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape


class Metric(registry.Shown):
    """A running mean of `values(y_true, y_pred)`, weighted by the samples' weights.

    A metric of your own that counts in another way overrides `update_state`, `result` and
    `reset_state`. What it counts in attributes goes into the backups of a training.
    """

    config_keys: tuple[str, ...] = ("name",)
    same_shape = False  # whether each output needs its own target

    def __init__(self, name: str | None = None) -> None:
        self.name = name or registry.snake_case(type(self).__name__)
        self.reset_state()

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """One number for each sample (and pixel)."""
        raise TypeError(f"{type(self).__name__} defines no values(y_true, y_pred)")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add one batch."""
        backend = get_backend()
        y_true, y_pred = backend.as_it_is(y_true), backend.asarray(y_pred)
        if type(self).values.__module__ == __name__:  # these take the arrays of any backend
            y_true = backend.asarray(y_true)
        else:
            y_true, y_pred = backend.to_numpy(y_true), backend.to_numpy(y_pred)
        self.check_targets(y_true.shape, y_pred.shape)
        self._add(self.values(y_true, y_pred), sample_weight)

    def check_targets(self, y_true_shape: tuple[int, ...], y_pred_shape: Shape) -> None:
        """Raise ValueError unless targets of this shape go with outputs of that (None fits any)."""
        known = [size for size in y_pred_shape if size is not None]
        if not self.same_shape or len(known) < len(y_pred_shape):
            return
        if math.prod(y_true_shape) != math.prod(known):
            raise ValueError(
                f"metric {self.name!r}: expected targets of the outputs' shape {y_pred_shape}. "
                f"Received: shape {y_true_shape}. For integer classes use 'accuracy'"
            )

    def _add(self, values: Array, sample_weight: Any) -> None:
        if sample_weight is None:
            self._total += get_backend().number(values.sum())
            self._count += values.size
            return
        backend = get_backend()
        asarray = np.asarray if isinstance(values, np.ndarray) else backend.asarray
        weights = asarray(sample_weight, "float64")
        if weights.ndim > values.ndim and weights.shape[-1] == 1:
            weights = weights[..., 0]
        weights = weights.reshape(weights.shape + (1,) * (values.ndim - weights.ndim))
        weights = np.broadcast_to(weights, values.shape)
        self._total += backend.number((values * weights).sum())
        self._count += backend.number(weights.sum())

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {key: getattr(self, key) for key in self.config_keys}

    def result(self) -> float:
        """The mean so far; 0 before the first sample."""
        return float(self._total / self._count) if self._count else 0.0

    def reset_state(self) -> None:
        """Forget all samples."""
        self._total = 0.0
        self._count = 0.0

    def get_state(self) -> dict[str, Any]:
        """The running values, so that a training can go on from them.

        They are all attributes but functions and the constructor's arguments.
        """
        attributes = vars(self).items()
        given = {"name", *self.config_keys}
        state = {name: x for name, x in attributes if name not in given and not callable(x)}
        sums: dict[str, Any] = {
            name: float(state[name]) for name in ("_total", "_count") if name in state
        }
        return {**state, **sums}  # on a device they were arrays

    def set_state(self, state: dict[str, Any]) -> None:
        """Put back what `get_state` returned.

        Raises:
            ValueError: for the state of another metric.
        """
        missing = set(Metric.get_state(self)) - set(state)
        wrong = [name for name in state if hasattr(type(self), name)]
        if missing or wrong:
            raise ValueError(
                f"metric {self.name!r}: expected a state with {', '.join(Metric.get_state(self))}. "
                f"Received: {', '.join(state)}"
            )
        vars(self).update(copy.deepcopy(state))

    def __call__(self, *batch: Any, **weights: Any) -> float:
        """Add one batch, given as to `update_state`, and return the mean so far."""
        self.update_state(*batch, **weights)
        return self.result()


class Mean(Metric):
    """The mean of plain numbers, a loss say: `update_state(value, weight)`."""

    def update_state(self, y_true: Any, y_pred: Any = None, sample_weight: Any = None) -> None:
        """Add values with a weight: the second argument, or `sample_weight`."""
        weight = y_pred if sample_weight is None else sample_weight
        single = isinstance(y_true, float) or getattr(y_true, "shape", None) == ()
        if single and isinstance(weight, int):  # the loss of a batch
            self._total += y_true * weight
            self._count += weight
            return
        self._add(np.asarray(y_true, "float64"), weight)


class SparseCategoricalAccuracy(Metric):
    """How often the largest of the outputs (N, K) is the label, (N,) or (N, 1)."""

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """1 where argmax(y_pred) = y_true; of equal outputs the first counts."""
        return _labels(y_true, y_pred) == y_pred.argmax(axis=-1)


class CategoricalAccuracy(Metric):
    """How often the largest of the outputs (N, K) is the largest of the targets (N, K)."""

    same_shape = True

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """1 where argmax(y_pred) = argmax(y_true)."""
        return y_true.argmax(axis=-1) == y_pred.argmax(axis=-1)


class BinaryAccuracy(Metric):
    """How often an output above `threshold` is a target of 1, and one below of 0."""

    same_shape = True
    config_keys = ("name", "threshold")

    def __init__(self, name: str | None = None, threshold: float = 0.5) -> None:
        super().__init__(name)
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must be between 0 and 1. Received: {threshold}")
        self.threshold = threshold

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """The mean over the outputs of [(p > threshold) = t]."""
        y_true = y_true.reshape(y_pred.shape)
        return ((y_pred > self.threshold) == y_true).mean(axis=-1)


class SparseTopKCategoricalAccuracy(Metric):
    """How often the label is among the k largest outputs."""

    config_keys = ("name", "k")

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        super().__init__(name)
        self.k = k

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """1 where fewer than k outputs are greater than the label's."""
        own = np.take_along_axis(y_pred, _labels(y_true, y_pred)[..., None].astype("int64"), -1)
        return ((y_pred > own).sum(axis=-1) < self.k) & np.isfinite(own[..., 0])


class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """The same for targets (N, K)."""

    same_shape = True

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """The label is the largest target."""
        return super().values(y_true.argmax(axis=-1), y_pred)


class MeanSquaredError(Metric):
    """Mean of (p - t)^2."""

    same_shape = True

    def values(self, y_true: Array, y_pred: Array) -> Array:
        """The mean over the outputs."""
        return np.square(y_pred - y_true.reshape(y_pred.shape)).mean(axis=-1)


def _labels(y_true: Array, y_pred: Array) -> Array:
    """Labels of the predictions' shape less its last axis."""
    return y_true[..., 0] if y_true.ndim == y_pred.ndim else y_true


_TABLE: dict[str, type[Metric]] = {
    "binary_accuracy": BinaryAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
}
_ACCURACIES = ("accuracy", "acc")


def get(identifier: Any, loss: Any = None, outputs: int | None = None) -> Metric:
    """A metric for a name, a class or an instance.

    "accuracy" means the one that fits: binary for a single output, else sparse where
    the loss takes integer labels, else categorical.

    Raises:
        ValueError: for an unknown name.
    """
    if identifier in _ACCURACIES:
        if outputs == 1:
            return BinaryAccuracy(identifier)
        if type(loss).__name__ == "SparseCategoricalCrossentropy":
            return SparseCategoricalAccuracy(identifier)
        return CategoricalAccuracy(identifier)
    known = {**dict.fromkeys(_ACCURACIES, Metric), **_TABLE}
    metric = registry.lookup(identifier, known, "metric")
    if not isinstance(metric, Metric):
        raise TypeError(
            f"metrics must be names or tinyconv.metrics.Metric. Received: {identifier!r}"
        )
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
