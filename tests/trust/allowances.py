"""How far apart two results of a configuration may be."""

from __future__ import annotations

import numpy as np

from parity.case import Results
from parity.tolerances import FLOAT32_CONSTANT
from tests.trust.contenders import Contender, inputs_of
from tests.trust.drawing import Config
from tinyconv.backends.numba.convolution.winograd import ERROR

TOLERANCE = {"float32": 5e-6, "float64": 1e-11}
_SATURATING = {"sigmoid", "tanh", "softmax", "elu", "gelu"}


def tolerance(config: Config, contender: Contender, judge_name: str) -> float:
    """The largest relative error that passes."""
    allowed = TOLERANCE[config.dtype]
    if contender.backend == "numba" and config.dtype == "float32":
        allowed += {"winograd_2x2": ERROR[2], None: ERROR[4], "winograd_4x4": ERROR[4]}.get(
            contender.conv, 0.0
        )
    if judge_name == "tf.keras" and config.dtype == "float64" and _inexact_in_keras(config):
        allowed = FLOAT32_CONSTANT.float64
    return allowed


def _inexact_in_keras(config: Config) -> bool:
    """Whether TensorFlow has a float32 constant in it also in float64."""
    return any(a.get("activation") in ("gelu", "leaky_relu") for _, a in config.layers)


def scales(config: Config, wanted: Results) -> dict[str, float]:
    """The size of the terms that results are summed from, where they may cancel.

    Kernels are drawn so that outputs are about as large as inputs, and slopes are about 1.
    """
    x = inputs_of(config)
    largest = max(float(np.abs(each).max()) for each in (x if isinstance(x, list) else [x]))
    names = [cls for cls, _ in config.layers]
    if names == ["BatchNormalization"]:
        return _normalization(config, x, largest)
    activations = {arguments.get("activation") for _, arguments in config.layers}
    # An error of z, by its size, becomes one of the probabilities and slopes.
    saturates = "Softmax" in names or activations & _SATURATING
    size = 1 + largest / 20 if saturates else 1.0
    if "BatchNormalization" in names:  # of values near 1, see drawing.py
        size = max(1 / np.sqrt(a.get("epsilon", 1e-3)) for cls, a in config.layers if a)
    kernels = size * max(1.0, largest)
    return {key: kernels if key.endswith(("kernel", "gamma")) else size for key in wanted}


def _normalization(config: Config, x: np.ndarray, largest: float) -> dict[str, float]:
    """By how much 1 / sqrt(variance + epsilon) magnifies rounding, fifty of which pass anyway."""
    arguments = config.layers[0][1]
    rows = x.reshape(-1, x.shape[-1]).astype("float64")
    by_batch = config.training and arguments.get("trainable", True)
    variance = rows.var(axis=0).min() if by_batch else 0.5  # the least that is drawn
    stretch = 1 / np.sqrt(variance + arguments.get("epsilon", 1e-3))
    rounding = largest * stretch / 50
    return {
        "output": max(1.0, rounding),
        "dx": stretch * max(1.0, rounding),
        "gamma": max(1.0, len(rows) * rounding),
    }
