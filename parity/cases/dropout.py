"""Dropout, given the mask that Keras drew."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.cases.layer import layer_case
from parity.data import Array, draw
from parity.sides import Keras, Side
from parity.tolerances import SAMPLED

_SEED = 7


class _Given:
    """A random generator that draws what keeps the mask's elements, and drops the others."""

    def __init__(self, mask: Array) -> None:
        self.mask = mask

    def random(self, shape: tuple[int, ...], dtype: Any = "float64") -> Array:
        """Just below 1 where the element is kept, 0 where it is not."""
        assert shape == self.mask.shape
        return np.where(self.mask, 0.999, 0.0).astype(dtype)


def _mask(shape: tuple[int, ...], rate: float, dtype: str) -> Array:
    """What Keras' Dropout(rate, seed) keeps of an input of this shape."""
    keras = Keras()
    with keras.precision(dtype):
        layer = keras.library.layers.Dropout(rate, seed=_SEED)
        return np.asarray(layer(np.ones(shape, dtype), training=True)) != 0


def masked(words: str, shape: tuple[int, ...], rate: float) -> Case:
    """Forward and backward in training, with the same elements dropped on both sides."""

    def measure(side: Side, dtype: str) -> Results:
        layer = side.library.layers.Dropout(rate, seed=_SEED)
        if side.library.__name__ == "tinyconv":
            layer._own_generator = _Given(_mask(shape, rate, dtype))
        return side.layer(layer, [draw("normal", shape).astype(dtype)], True)

    note = "with the mask that Keras drew"
    return Case("Dropout", words, measure, (("Dropout", {"rate": rate, "seed": _SEED}),), note=note)


def _share(rate: float) -> Case:
    """Each side's own masks: how many elements they keep, and what these become."""

    def measure(side: Side, dtype: str) -> Results:
        side.library.utils.set_random_seed(3)
        x = np.ones((100, 1000), dtype)
        y = np.asarray(side.library.layers.Dropout(rate)(x, training=True))
        return {"share": np.asarray((y != 0).mean()), "mean": np.asarray(y.mean())}

    name = f"share kept, rate {rate}"
    return Case("Dropout", name, measure, (("Dropout", {"rate": rate}),), tolerance=SAMPLED)


def cases() -> list[Case]:
    """All of them."""
    image = (2, 5, 6, 3)
    return [
        masked("rate 0.5", image, 0.5),
        masked("rate 0.2", image, 0.2),
        masked("rate 0.9", image, 0.9),
        masked("vectors", (8, 30), 0.4),
        masked("rate 0", image, 0.0),
        layer_case("Dropout", "in inference", image, training=False, rate=0.5),
        _share(0.25),
        _share(0.8),
    ]
