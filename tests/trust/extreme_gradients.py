"""Gradients where numbers are extreme, beside difference quotients: no other library is asked.

A difference quotient needs an input near 1, so the layer stands between two Rescalings: the
first gives it what it is to see, 1e-20 to 1e20 times an ordinary input, and where the layer
keeps that factor the second takes it away again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import tinyconv
from parity.cases.network import Described
from parity.sides.base import fill_weights
from tests.trust.extreme_jobs import SUBJECTS, Subject
from tinyconv import layers
from tinyconv.testing import gradcheck

MAGNITUDES = (1e-20, 1e-10, 1e-3, 1.0, 1e3, 1e10, 1e20)
_KEEPING = ("Conv2D", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D",
            "GlobalMaxPooling2D", "ZeroPadding2D", "Flatten")  # fmt: skip


def checks() -> Iterator[tuple[Subject, float]]:
    """A layer and the size of what it sees."""
    for subject in SUBJECTS:
        for magnitude in MAGNITUDES:
            # The mean of one sample is the sample, and its gradient 0 but for a rounding.
            if magnitude <= 1 or subject.shape[0] > 1 or subject.layer[0] != "BatchNormalization":
                yield subject, magnitude


def check(subject: Subject, magnitude: float, backend: str) -> str:
    """The report if the gradients are wrong, else nothing."""
    cls, arguments = subject.layer
    after = 1 / magnitude if _keeps(subject.layer) else 1.0
    conv = subject.conv if backend == "numba" else None
    with tinyconv.use_backend(backend, conv), np.errstate(all="ignore"):
        layer = getattr(layers, cls)(**arguments, dtype="float64")
        chain = [layers.Rescaling(magnitude), layer, layers.Rescaling(after)]
        model = tinyconv.Sequential(
            [type(each).from_config({**each.get_config(), "dtype": "float64"}) for each in chain]
        )
        model.build((None, *subject.shape[1:]))
        fill_weights(model, "float64")
        for weight in model.weights:  # or it would be nothing beside the input, or everything
            if weight.name == "bias" and _keeps(subject.layer):
                weight.assign(weight.numpy() * magnitude)
        x = np.random.default_rng(0).standard_normal(subject.shape)
        report = gradcheck(model, x, training=subject.training)
        return "" if report.passed else f"{subject}, times {magnitude:g}, {backend}\n{report}"


def _keeps(layer: Described) -> bool:
    """f(m x) = m f(x), but for the bias."""
    cls, arguments = layer
    activation: Any = arguments.get("activation", "linear")
    linear = activation in ("linear", "relu", "leaky_relu")
    return linear and cls in (*_KEEPING, "Dense", "Activation")
