"""The losses: every argument, weights and label shapes, and what no logarithm survives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.data import Array, draw, generator
from parity.sides.base import Side

N, K = 6, 5
_PIXELS = (2, 3, 4, K)

Maker = Callable[[], Array]


def softmax(z: Array) -> Array:
    """Probabilities to predict; neither library's own."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def labels(*shape: int) -> Array:
    """Integer classes."""
    return generator("labels", shape).integers(0, K, shape)


def onehot(*shape: int) -> Array:
    """The same classes as distributions."""
    return np.eye(K)[labels(*shape)]


def binary(*shape: int) -> Array:
    """Targets 0 and 1."""
    return generator("binary", shape).integers(0, 2, shape).astype("float64")


def certain() -> Array:
    """Distributions that are exactly 0 and 1, right for half of the samples."""
    return np.eye(K)[(labels(N) + np.arange(N) % 2) % K]


def extreme(*shape: int) -> Array:
    """Logits of ±1e4 and of 0."""
    return np.asarray(1e4 * generator("extreme", shape).integers(-1, 2, shape))


def loss(
    cls: str,
    words: str,
    y_true: Array,
    y_pred: Array,
    weight: Array | None = None,
    /,
    scales: dict[str, float] | None = None,
    **arguments: Any,
) -> Case:
    """The loss and its gradient by the predictions."""

    def measure(side: Side, dtype: str) -> Results:
        targets = y_true if y_true.dtype.kind in "iu" else y_true.astype(dtype)
        weights = None if weight is None else weight.astype(dtype)
        made = getattr(side.library.losses, cls)(**arguments)
        return side.loss(made, targets, y_pred.astype(dtype), weights)

    return Case(cls, words, measure, ((cls, arguments),), scales=scales or {})


def cases() -> list[Case]:
    """All of them."""
    return [*_sparse(), *_categorical(), *_binary(), *_squared()]


def _common(cls: str, y_true: Array, y_pred: Array) -> list[Case]:
    """What every loss has: reductions, names and weights."""
    weight = draw("pixels", (N,)) + 0.5
    some = np.arange(N) % 2 * 2.0
    return [
        loss(cls, "mean", y_true, y_pred),
        loss(cls, "reduction mean", y_true, y_pred, reduction="mean"),
        loss(cls, "reduction sum", y_true, y_pred, reduction="sum"),
        loss(cls, "reduction none", y_true, y_pred, reduction="none"),
        loss(cls, "reduction None", y_true, y_pred, reduction=None),
        loss(cls, "with a name", y_true, y_pred, name="first"),
        loss(cls, "sample weights", y_true, y_pred, weight),
        loss(cls, "sample weights (N, 1)", y_true, y_pred, weight[:, None]),
        loss(cls, "sample weights, some 0", y_true, y_pred, some),
        loss(cls, "sample weights, sum", y_true, y_pred, weight, reduction="sum"),
        loss(cls, "sample weights, none", y_true, y_pred, weight, reduction="none"),
    ]


def _sparse() -> list[Case]:
    cls = "SparseCategoricalCrossentropy"
    logits, p = draw("normal", (N, K)), softmax(draw("normal", (N, K)))
    pixels = draw("normal", _PIXELS)
    rows = [(5 - 4 * (i % 2)) * np.eye(K)[i % K] for i in range(N)]
    return [
        *_common(cls, labels(N), p),
        loss(cls, "labels (N, 1)", labels(N)[:, None], p),
        loss(cls, "labels int32", labels(N).astype("int32"), p),
        loss(cls, "logits", labels(N), logits, from_logits=True),
        loss(cls, "logits, labels (N, 1)", labels(N)[:, None], logits, from_logits=True),
        loss(cls, "logits, sample weights", labels(N), logits, draw("pixels", (N,)),
             from_logits=True),
        loss(cls, "logits of ±1e4", labels(N), extreme(N, K), from_logits=True),
        loss(cls, "probabilities of exactly 0 and 1", labels(N), certain()),
        loss(cls, "rows that do not sum to 1", labels(N), 0.3 * p + 0.1),
        loss(cls, "rows beyond 1", labels(N), np.asarray(rows)),
        loss(cls, "one sample", labels(N)[:1], p[:1]),
        loss(cls, "pixels", labels(*_PIXELS[:-1]), softmax(pixels)),
        loss(cls, "pixels, logits", labels(*_PIXELS[:-1]), pixels, from_logits=True),
        loss(cls, "pixels, labels with a last axis", labels(*_PIXELS[:-1])[..., None],
             softmax(pixels)),
        loss(cls, "pixels, a weight a pixel", labels(*_PIXELS[:-1]), softmax(pixels),
             draw("pixels", _PIXELS[:-1])),
    ]  # fmt: skip


def _categorical() -> list[Case]:
    cls = "CategoricalCrossentropy"
    logits, p = draw("normal", (N, K)), softmax(draw("normal", (N, K)))
    soft = softmax(draw("normal", (N, K), "targets"))
    pixels = draw("normal", _PIXELS)
    return [
        *_common(cls, onehot(N), p),
        loss(cls, "soft targets", soft, p),
        loss(cls, "logits", onehot(N), logits, from_logits=True),
        loss(cls, "logits, soft targets", soft, logits, from_logits=True),
        loss(cls, "label_smoothing", onehot(N), p, label_smoothing=0.1),
        loss(cls, "label_smoothing, logits", onehot(N), logits, label_smoothing=0.1,
             from_logits=True),
        loss(cls, "label_smoothing 1", onehot(N), p, label_smoothing=1.0),
        loss(cls, "logits of ±1e4", onehot(N), extreme(N, K), from_logits=True),
        loss(cls, "logits of ±1e4, soft targets", soft, extreme(N, K), from_logits=True),
        loss(cls, "probabilities of exactly 0 and 1", onehot(N), certain()),
        loss(cls, "rows that do not sum to 1", onehot(N), 0.3 * p + 0.1),
        loss(cls, "pixels", onehot(*_PIXELS[:-1]), softmax(pixels)),
        loss(cls, "pixels, a weight a pixel", onehot(*_PIXELS[:-1]), softmax(pixels),
             draw("pixels", _PIXELS[:-1])),
    ]  # fmt: skip


def _binary() -> list[Case]:
    cls = "BinaryCrossentropy"
    logits = draw("normal", (N, 3))
    p = 1 / (1 + np.exp(-logits))
    exact = binary(N, 3)
    return [
        *_common(cls, binary(N, 3), p),
        loss(cls, "one output", binary(N, 1), p[:, :1]),
        loss(cls, "one output, labels (N,)", binary(N), p[:, :1]),
        loss(cls, "one output, integer labels", binary(N).astype("int64"), p[:, :1]),
        loss(cls, "one output, logits, labels (N,)", binary(N), logits[:, :1], from_logits=True),
        loss(cls, "soft targets", draw("pixels", (N, 3)), p),
        loss(cls, "logits", binary(N, 3), logits, from_logits=True),
        loss(cls, "label_smoothing", binary(N, 3), p, label_smoothing=0.2),
        loss(cls, "label_smoothing, logits", binary(N, 3), logits, label_smoothing=0.2,
             from_logits=True),
        loss(cls, "logits of ±1e4", binary(N, 3), extreme(N, 3), from_logits=True),
        loss(cls, "logits of ±1e4, soft targets", draw("pixels", (N, 3)), extreme(N, 3),
             from_logits=True),
        loss(cls, "probabilities of exactly 0 and 1, right", exact, exact),
        loss(cls, "probabilities of exactly 0 and 1, wrong", exact, 1 - exact),
        loss(cls, "pixels", binary(2, 3, 4, 2), draw("pixels", (2, 3, 4, 2))),
    ]  # fmt: skip


def _squared() -> list[Case]:
    cls = "MeanSquaredError"
    truth, p = draw("normal", (N, 3), "truth"), draw("normal", (N, 3))
    return [
        *_common(cls, truth, p),
        loss(cls, "one output", truth[:, :1], p[:, :1]),
        loss(cls, "one output, targets (N,)", truth[:, 0], p[:, :1]),
        loss(cls, "nothing wrong", p, p),
        loss(cls, "errors of 1e4", truth, p + 1e4),
        loss(cls, "images", draw("normal", (2, 3, 4, 2), 1), draw("normal", (2, 3, 4, 2))),
        loss(cls, "images, a weight a pixel", draw("normal", (2, 3, 4, 2), 1),
             draw("normal", (2, 3, 4, 2)), draw("pixels", (2, 3, 4))),
    ]  # fmt: skip
