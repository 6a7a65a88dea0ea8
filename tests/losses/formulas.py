"""The losses of one sample as sums over its outputs, in plain Python."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tinyconv import losses
from tinyconv.losses import Loss

Row = Sequence[float]
EPSILON = 1e-7


def clip(p: float, epsilon: float) -> float:
    return min(max(p, epsilon), 1 - epsilon)


def softmax(z: Row) -> list[float]:
    total = math.fsum(math.exp(v - max(z)) for v in z)
    return [math.exp(v - max(z)) / total for v in z]


def sigmoid(z: Row) -> list[float]:
    return [1 / (1 + math.exp(-v)) for v in z]


def categorical(t: Row, p: Row, epsilon: float) -> float:
    q = [clip(p_k / sum(p), epsilon) for p_k in p]
    return -sum(t_k * math.log(q_k) for t_k, q_k in zip(t, q, strict=True))


def sparse(label: int, p: Row, epsilon: float) -> float:
    q = [clip(v, epsilon) for v in p]
    return -math.log(q[label] / sum(q))


def binary(t: Row, p: Row, epsilon: float) -> float:
    q = [clip(v, epsilon) for v in p]
    terms = [a * math.log(b) + (1 - a) * math.log(1 - b) for a, b in zip(t, q, strict=True)]
    return -sum(terms) / len(terms)


def squared(t: Row, p: Row, _: float) -> float:
    return sum((p_k - t_k) ** 2 for t_k, p_k in zip(t, p, strict=True)) / len(p)


class Kind(NamedTuple):
    """A loss with its formula, and the activation it takes over (if any)."""

    make: Callable[..., Loss]
    formula: Callable[..., float]
    activate: Callable[[Row], Row] | None
    smoothed: bool = False

    def targets(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """Targets for predictions of that shape: labels, distributions, numbers in [0, 1]."""
        if self.make is losses.SparseCategoricalCrossentropy:
            return generator.integers(0, shape[-1], shape[:-1])
        targets = generator.random(shape)
        if self.make is losses.CategoricalCrossentropy:
            targets /= targets.sum(axis=-1, keepdims=True)
        return targets

    def predictions(
        self, shape: tuple[int, ...], generator: np.random.Generator, logits: bool = False
    ) -> np.ndarray:
        """Away from the clipping; rows that need not sum to 1, as Keras takes them."""
        if logits or self.activate is None:
            return 2 * generator.standard_normal(shape)
        return generator.uniform(0.05, 0.95, shape)

    def samples(
        self, y_true: np.ndarray, y_pred: np.ndarray, logits: bool = False, smoothing: float = 0.0
    ) -> np.ndarray:
        """The loss of every sample, of the predictions' shape less its last axis."""
        values = np.zeros(y_pred.shape[:-1])
        for index in np.ndindex(values.shape):
            t, p = np.float64(y_true)[index].tolist(), np.float64(y_pred)[index].tolist()
            if smoothing:
                spread = smoothing / (len(p) if self.activate is softmax else 2)
                t = [v * (1 - smoothing) + spread for v in t]
            t = int(t) if isinstance(t, float) else t
            # Logits are not clipped: their logarithm never sees a 0.
            values[index] = (
                self.formula(t, self.activate(p), 0.0) if logits else self.formula(t, p, EPSILON)
            )
        return values


KINDS = {
    "mse": Kind(losses.MeanSquaredError, squared, None),
    "sparse": Kind(losses.SparseCategoricalCrossentropy, sparse, softmax),
    "categorical": Kind(losses.CategoricalCrossentropy, categorical, softmax, smoothed=True),
    "binary": Kind(losses.BinaryCrossentropy, binary, sigmoid, smoothed=True),
}
CROSSENTROPIES = {name: kind for name, kind in KINDS.items() if kind.activate}
