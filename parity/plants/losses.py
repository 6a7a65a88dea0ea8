"""Errors in losses, weights, metrics and penalties."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.plants.plant import Function, Plant, after, before, during, function, operation
from tinyconv import losses, metrics, regularizers
from tinyconv.backends.base import Array
from tinyconv.losses import base, crossentropy
from tinyconv.losses.base import Loss, LossResult
from tinyconv.training import arrays
from tinyconv.training.objective import Objective

_LOSSES = ("SparseCategoricalCrossentropy", "CategoricalCrossentropy", "BinaryCrossentropy",
           "MeanSquaredError")  # fmt: skip


def _of_all(*names: str) -> tuple[str, ...]:
    return tuple(f"{loss}: {name}" for loss in _LOSSES for name in names)


def _unshared(result: LossResult, self: Loss, y_true: Any, y_pred: Array, *_: Any) -> LossResult:
    return result._replace(gradient=result.gradient * len(y_pred))


def _normalized(weights: Array, self: Any, given: Any, divisor: Any, shape: Any) -> Array:
    return weights / (divisor * weights.mean())


def _forgotten(weights: Array, self: Any, given: Any, divisor: Any, shape: Any) -> Array:
    return np.full_like(weights, 1 / divisor)


def _always_free(result: Any, p: Array) -> Any:
    return result[0], np.ones_like(result[1])


def _naive(original: Function) -> Function:
    def softmax_cross_entropy(self: Any, logits: Array, targets: Array, weights: Array) -> Any:
        if targets.ndim == 1:
            targets = np.eye(logits.shape[1], dtype=logits.dtype)[targets]
        with np.errstate(all="ignore"):
            e = np.exp(logits)
            p = e / e.sum(axis=1, keepdims=True)
            return -(targets * np.log(p)).sum(axis=1), p, weights[:, None] * (p - targets)

    return softmax_cross_entropy


def _without_target(result: Any, self: Any, logits: Array, targets: Array, weights: Array) -> Any:
    value, p, _ = result
    return value, p, weights[:, None] * p


def _times_outputs(result: Any, self: Any, logits: Array, *_: Any) -> Any:
    value, p, dlogits = result
    return value, p, dlogits * logits.shape[1]


def _unscaled_rows(result: Any, self: Any, targets: Array, p: Array) -> Any:
    q, free = base.clip(p)
    t = self.smooth(targets, p.shape[1], p.dtype)
    return -(t * np.log(q)).sum(axis=1), -t / q * free


def _plain_log(result: Any, self: Any, targets: Array, p: Array) -> Any:
    q, free = base.clip(p)
    index = np.arange(len(p))
    slopes = np.zeros_like(p)
    slopes[index, targets] = -1 / q[index, targets]
    return -np.log(q[index, targets]), slopes * free


def _over_others(result: Any, self: Any, targets: Array, K: int, dtype: Any) -> Array:
    s, t = self.label_smoothing, targets.astype(dtype)
    return np.asarray(t * (1 - s) + (1 - t) * s / (K - 1))


_FUSED = "training: softmax and [sc][pa]* cross-entropy*"

LOSSES: list[Plant] = [
    function("a missing 1 / N", Loss, "compute", after(_unshared),
             *_of_all("mean", "reduction mean", "sample weights"), _FUSED),
    function("sample weights that are made to sum to N", Loss, "_weights",
             after(_normalized), *_of_all("sample weights", "sample weights, sum")),
    function("sample weights that are forgotten", Loss, "_weights",
             after(_forgotten),
             *_of_all("sample weights", "sample weights, some 0"), "training: sample weights*"),
    function("class weights that are forgotten", arrays, "with_class_weights",
             lambda _: lambda owner, batch, class_weight: batch, "training: class weights*"),
    function("probabilities clipped at 1e-12", base, "EPSILON", lambda _: 1e-12,
             "SparseCategoricalCrossentropy: probabilities of exactly *",
             "CategoricalCrossentropy: probabilities of exactly *",
             "BinaryCrossentropy: probabilities of exactly 0 and 1, wrong"),
    function("a gradient through what was clipped", crossentropy, "clip", after(_always_free),
             "SparseCategoricalCrossentropy: probabilities of exactly *",
             "CategoricalCrossentropy: probabilities of exactly *",
             "BinaryCrossentropy: probabilities of exactly *"),
    function("label smoothing over the other classes", losses.CategoricalCrossentropy, "smooth",
             after(_over_others), "CategoricalCrossentropy: label_smoothing*",
             "training: fused, label_smoothing"),
    function("rows that are not made to sum to 1", losses.CategoricalCrossentropy,
             "probability_rows", after(_unscaled_rows),
             "CategoricalCrossentropy: rows that do not sum to 1"),
    function("sparse rows that are not made to sum to 1", losses.SparseCategoricalCrossentropy,
             "probability_rows", after(_plain_log),
             "SparseCategoricalCrossentropy: rows that do not sum to 1"),
    operation("a softmax cross-entropy that overflows", "softmax_cross_entropy", _naive,
              "SparseCategoricalCrossentropy: logits of ±1e4",
              "CategoricalCrossentropy: logits of ±1e4*", "training: softmax, logits of 1e4"),
    operation("dlogits = p", "softmax_cross_entropy", after(_without_target),
              "SparseCategoricalCrossentropy: logits", "CategoricalCrossentropy: logits", _FUSED),
    operation("dlogits of a sum over the outputs", "sigmoid_cross_entropy", after(_times_outputs),
              "BinaryCrossentropy: logits", "training: sigmoid and binary cross-entropy"),
    function("a binary cross-entropy summed over the outputs", losses.BinaryCrossentropy,
             "probability_rows",
             after(lambda rows, self, t, p: (rows[0] * p.shape[1], rows[1] * p.shape[1])),
             "BinaryCrossentropy: mean", "BinaryCrossentropy: soft targets"),
    function("a squared error without the 2", losses.MeanSquaredError, "rows",
             after(lambda rows, *_: (rows[0], rows[1] / 2)), "MeanSquaredError: mean",
             "training: linear and squared error"),
    function("a squared error summed over the outputs", losses.MeanSquaredError, "rows",
             after(lambda rows, self, t, p: (rows[0] * p.shape[1], rows[1] * p.shape[1])),
             "MeanSquaredError: mean", "MeanSquaredError: images"),
    function("a loss that is not fused", Objective, "fused",
             lambda _: lambda self, activations: [False] * len(activations),
             "training: softmax, logits of 1e4", "training: sigmoid, logits of 1e4"),
]  # fmt: skip


def _last_argmax(result: Array, self: Any, y_true: Array, y_pred: Array) -> Array:
    last = y_pred.shape[-1] - 1 - y_pred[..., ::-1].argmax(axis=-1)
    return np.asarray(metrics._labels(y_true, y_pred) == last)


def _mean_of_batches(original: Function) -> Function:
    def _add(self: Any, values: Array, sample_weight: Any) -> None:
        self._total += float(np.mean(values))
        self._count += 1

    return _add


METRICS: list[Plant] = [
    function("the last of equal outputs", metrics.SparseCategoricalAccuracy, "values",
             after(_last_argmax), "metrics: SparseCategoricalAccuracy, equal outputs"),
    function("a threshold that counts as above", metrics.BinaryAccuracy, "values",
             lambda _: lambda self, t, p: ((p >= self.threshold) == t.reshape(p.shape)).mean(-1),
             "metrics: BinaryAccuracy, exactly at the threshold"),
    function("one of the largest too many", metrics.SparseTopKCategoricalAccuracy, "values",
             during("k", lambda k: k + 1), "metrics: SparseTopKCategoricalAccuracy, k [12]",
             "metrics: TopKCategoricalAccuracy, k [12]"),
    function("a mean over batches instead of samples", metrics.Metric, "_add", _mean_of_batches,
             "metrics: SparseCategoricalAccuracy, unequal batches",
             "metrics: MeanSquaredError, 2 updates", "training: fit and evaluate, *"),
    function("metrics without weights", metrics.Metric, "_add",
             before(lambda self, values, weight: (self, values, None)),
             "metrics: SparseCategoricalAccuracy, sample weights", "metrics: Mean, with weights",
             "metrics: BinaryAccuracy, sample weights"),
    function("a reset that forgets nothing", metrics.Metric, "reset_state",
             lambda original: lambda self: None if hasattr(self, "_total") else original(self),
             "metrics: SparseCategoricalAccuracy, reset_state"),
]  # fmt: skip

_PENALIZED = ("regularizers: L2, *", "regularizers: L1L2, *")

PENALTIES: list[Plant] = [
    function("a penalty of half the squares", regularizers.L1L2, "__call__",
             during("l2", lambda l2: l2 / 2), *_PENALIZED, "training: *regularizer*"),
    function("a penalty's gradient without the 2", regularizers.L1L2, "gradient",
             during("l2", lambda l2: l2 / 2), *_PENALIZED, "training: *regularizer*"),
    function("a penalty with a slope of 1 at 0", regularizers.L1L2, "gradient",
             lambda original: lambda self, w: original(self, np.where(w == 0, 1e-30, w)),
             "regularizers: L1, at exactly 0"),
]  # fmt: skip

PLANTS = [*LOSSES, *METRICS, *PENALTIES]
