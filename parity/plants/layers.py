"""Errors in BatchNormalization, Dropout and the layers that move values."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.plants.plant import (
    Function,
    Plant,
    after,
    default,
    during,
    function,
    operation,
)
from tinyconv import layers
from tinyconv.backends.base import Array


def _outside(result: Any, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array,
             epsilon: float) -> Array:  # fmt: skip
    return np.asarray((x - mean) / (np.sqrt(variance) + epsilon) * gamma + beta, x.dtype)


def _outside_training(result: Any, self: Any, x: Array, gamma: Array, beta: Array,
                      epsilon: float) -> Any:  # fmt: skip
    _, mean, variance = result
    return _outside(None, x, gamma, beta, mean, variance, epsilon), mean, variance


def _unbiased(result: Any, self: Any, x: Array, *args: Any) -> Any:
    y, mean, variance = result
    M = x.size // x.shape[-1]
    return y, mean, variance * x.dtype.type(M / (M - 1))


def _constants(original: Function) -> Function:
    return lambda self, *args: self.normalize_backward(*args)


def _channels_first(self: Any, x: Array) -> Array:
    return x.transpose(0, 3, 1, 2) if x.ndim == 4 else x


def _flatten(original: Function) -> Function:
    def forward(self: Any, x: Array, training: bool = False) -> Any:
        y, cache = original(self, x, training)
        return _channels_first(self, self.prepare(x)).reshape(y.shape), cache

    return forward


def _columns_first(original: Function) -> Function:
    def forward(self: Any, x: Array, training: bool = False) -> Any:
        y, cache = original(self, x, training)
        return np.reshape(self.prepare(x), y.shape, order="F"), cache

    return forward


_NORM = "BatchNormalization: "

PLANTS: list[Plant] = [
    operation("epsilon outside the root", "normalize",
              after(lambda result, self, *args: _outside(result, *args)),
              f"{_NORM}inference", f"{_NORM}epsilon 0.1, inference", f"{_NORM}frozen, *"),
    operation("epsilon outside the root, in training", "batch_norm", after(_outside_training),
              f"{_NORM}training*", f"{_NORM}epsilon 0.1", f"{_NORM}momentum *"),
    operation("an unbiased variance, as PyTorch's", "batch_norm", after(_unbiased),
              f"{_NORM}training*", f"{_NORM}momentum 0*"),
    operation("statistics whose gradient is forgotten", "batch_norm_backward", _constants,
              f"{_NORM}training*", f"{_NORM}vectors"),
    function("momentum as PyTorch means it", layers.BatchNormalization, "forward",
             during("momentum", lambda m: 1 - m), f"{_NORM}training*", f"{_NORM}momentum 0.9*"),
    function("a frozen layer that still learns its statistics", layers.BatchNormalization,
             "forward", during("_trainable", lambda _: True), f"{_NORM}frozen, in training",
             f"{_NORM}frozen, 5 steps", f"{_NORM}scale=False, frozen"),
    function("inference by the statistics of the batch", layers.BatchNormalization, "forward",
             lambda original: lambda self, x, training=False: original(self, x, True),
             f"{_NORM}inference", f"{_NORM}vectors, inference"),
    default("PyTorch's epsilon by default", layers.BatchNormalization, "epsilon", 1e-5,
            f"{_NORM}training", f"{_NORM}inference"),
    default("PyTorch's momentum by default", layers.BatchNormalization, "momentum", 0.9,
            f"{_NORM}training", f"{_NORM}training, 5 steps"),
    operation("dropout without the scale", "dropout",
              after(lambda result, self, x, rate, _: (result[0] * (1 - rate), result[1])),
              "Dropout: rate 0.?", "Dropout: vectors"),
    operation("a dropout gradient without the scale", "dropout_backward",
              after(lambda dx, self, dy, kept, rate: dx * (1 - rate)), "Dropout: rate 0.?"),
    operation("dropout that keeps with the probability of dropping", "dropout",
              lambda original: lambda self, x, rate, source: original(self, x, 1 - rate, source),
              "Dropout: share kept, *"),
    function("dropout in inference", layers.Dropout, "forward",
             lambda original: lambda self, x, training=False: original(self, x, True),
             "Dropout: in inference"),
    function("Flatten in the order NCHW", layers.Flatten, "forward", _flatten,
             "Flatten: images, in NHWC order", "training: a Dense kernel after Flatten",
             "Sequential: CNN, *ing"),
    function("Reshape in Fortran's order", layers.Reshape, "forward", _columns_first,
             "Reshape: to images", "Reshape: to vectors"),
    function("rows and columns of the padding exchanged", layers.ZeroPadding2D, "forward",
             during("padding", lambda padding: padding[::-1]),
             "ZeroPadding2D: rows and columns", "ZeroPadding2D: every side by itself"),
    function("a Rescaling gradient without the scale", layers.Rescaling, "backward",
             after(lambda result, self, *_: (result[0] / self.scale, {})),
             "Rescaling: pixels *", "Rescaling: exact constants"),
]  # fmt: skip
