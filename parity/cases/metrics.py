"""The metrics, after every update."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import Case, Results, Uses
from parity.cases.losses import K, N, binary, labels, onehot, softmax
from parity.data import Array, draw
from parity.sides.base import Side

_PIXELS = (2, 3, 4)

Update = tuple[Array, ...]


def metric(cls: str, words: str, *updates: Update, **arguments: Any) -> Case:
    """A metric of both libraries; each update is (y_true, y_pred[, sample_weight])."""

    def measure(side: Side, dtype: str) -> Results:
        made = getattr(side.library.metrics, cls)(**arguments)
        # TensorFlow's in_top_k takes float32 only; the comparison of two numbers rounds nothing.
        given = "float32" if "TopK" in cls else dtype
        results = side.metric(made, [tuple(_cast(a, given) for a in update) for update in updates])
        return {"output": np.asarray(results, dtype)}

    return Case("metrics", f"{cls}, {words}", measure, ((cls, arguments),))


def _cast(array: Array, dtype: str) -> Array:
    return array if array.dtype.kind in "iu" else array.astype(dtype)


def cases() -> list[Case]:
    """All of them."""
    return [*_accuracies(), *_binary(), *_top_k(), *_means(), *_reset()]


def predictions(step: int, *shape: int) -> Array:
    """Probabilities, another set for each step."""
    return softmax(2 * draw("normal", (*shape, K), step))


def _accuracies() -> list[Case]:
    sparse, dense = "SparseCategoricalAccuracy", "CategoricalAccuracy"
    p, weight = predictions(0, N), draw("pixels", (N,))
    equal = np.full((N, K), 1 / K)
    pixels = predictions(0, *_PIXELS)
    return [
        metric(sparse, "labels (N,)", (labels(N), p)),
        metric(sparse, "labels (N, 1)", (labels(N)[:, None], p)),
        metric(sparse, "3 updates", *[(labels(N), predictions(i, N)) for i in range(3)]),
        metric(sparse, "unequal batches", (labels(N), p), (labels(N)[:2], p[:2])),
        metric(sparse, "sample weights", (labels(N), p, weight), (labels(N), p, 1 - weight)),
        metric(sparse, "equal outputs", (np.arange(N) % K, equal)),
        metric(sparse, "pixels", (labels(*_PIXELS), pixels)),
        metric(sparse, "pixels, a weight a sample", (labels(*_PIXELS), pixels, weight[:2])),
        metric(sparse, "with a name", (labels(N), p), name="first"),
        metric(dense, "one-hot", (onehot(N), p)),
        metric(dense, "3 updates", *[(onehot(N), predictions(i, N)) for i in range(3)]),
        metric(dense, "sample weights", (onehot(N), p, weight)),
        metric(dense, "soft targets", (predictions(5, N), p)),
        metric(dense, "pixels", (onehot(*_PIXELS), pixels)),
        metric(dense, "with a name", (onehot(N), p), name="first"),
    ]


def _binary() -> list[Case]:
    cls = "BinaryAccuracy"
    p, weight = draw("pixels", (N, 3)), draw("pixels", (N,), "weight")
    halves = np.round(2 * p) / 2
    return [
        metric(cls, "defaults", (binary(N, 3), p)),
        metric(cls, "one output", (binary(N, 1), p[:, :1])),
        metric(cls, "one output, labels (N,)", (binary(N), p[:, :1])),
        metric(cls, "threshold 0.3", (binary(N, 3), p), threshold=0.3),
        metric(cls, "exactly at the threshold", (binary(N, 3), halves)),
        metric(cls, "2 updates", (binary(N, 3), p), (binary(N, 3), 1 - p)),
        metric(cls, "sample weights", (binary(N, 3), p, weight)),
        metric(cls, "with a name", (binary(N, 3), p), name="first"),
    ]


def _top_k() -> list[Case]:
    sparse, dense = "SparseTopKCategoricalAccuracy", "TopKCategoricalAccuracy"
    p, weight = predictions(0, N), draw("pixels", (N,))
    ties = np.round(4 * p) / 4
    return [
        *[metric(sparse, f"k {k}", (labels(N), p), k=k) for k in (1, 2, 3, 5)],
        metric(sparse, "k by default", (labels(N), predictions(1, N))),
        metric(sparse, "labels (N, 1)", (labels(N)[:, None], p), k=2),
        metric(sparse, "equal outputs", (labels(N), ties), k=2),
        metric(sparse, "sample weights", (labels(N), p, weight), k=2),
        metric(sparse, "with a name", (labels(N), p), k=2, name="first"),
        *[metric(dense, f"k {k}", (onehot(N), p), k=k) for k in (1, 2, 4)],
        metric(dense, "sample weights", (onehot(N), p, weight), k=2),
        metric(dense, "with a name", (onehot(N), p), k=2, name="first"),
    ]


def _means() -> list[Case]:
    truth, p = draw("normal", (N, 3), "truth"), draw("normal", (N, 3))
    weight, squared = draw("pixels", (N,)), "MeanSquaredError"
    numbers = draw("normal", (N,))
    return [
        metric(squared, "defaults", (truth, p)),
        metric(squared, "2 updates", (truth, p), (truth[:2], p[:2] + 1)),
        metric(squared, "sample weights", (truth, p, weight)),
        metric(squared, "with a name", (truth, p), name="first"),
        metric("Mean", "numbers", (numbers,), (numbers[:2],)),
        metric("Mean", "with weights", (numbers, weight), (numbers[:2], weight[:2])),
        metric("Mean", "with a name", (numbers,), name="first"),
    ]


def _reset() -> list[Case]:
    """reset_state forgets what was seen."""

    def measure(side: Side, dtype: str) -> Results:
        made = side.library.metrics.SparseCategoricalAccuracy()
        update = (labels(N), predictions(0, N).astype(dtype))
        before = side.metric(made, [update])
        made.reset_state()
        empty = float(made.result())
        after = side.metric(made, [(labels(N), predictions(1, N).astype(dtype))])
        return {"output": np.asarray([*before, empty, *after], dtype)}

    uses: Uses = (("SparseCategoricalAccuracy", {}),)
    return [Case("metrics", "SparseCategoricalAccuracy, reset_state", measure, uses)]
