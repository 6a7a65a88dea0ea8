"""The fast CPU backend: Numba kernels for all that is hot, products included.

One file a family of operations, each with its kernels above the methods that call
them. What is not overridden here is the textbook's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinyconv.backends.numba.activations import Activations
from tinyconv.backends.numba.convolution import Convolution
from tinyconv.backends.numba.fingerprints import Fingerprints
from tinyconv.backends.numba.gathering import Gathering
from tinyconv.backends.numba.losses import Losses
from tinyconv.backends.numba.normalization import Normalization
from tinyconv.backends.numba.optimizers import Optimizers
from tinyconv.backends.numba.padding import Padding
from tinyconv.backends.numba.pooling import Pooling
from tinyconv.backends.numba.products import Products
from tinyconv.backends.numba.sums import Sums
from tinyconv.backends.numba.workspace import tidy
from tinyconv.backends.numpy import NumpyBackend


class NumbaBackend(
    Convolution,
    Products,
    Activations,
    Pooling,
    Normalization,
    Losses,
    Optimizers,
    Gathering,
    Padding,
    Sums,
    Fingerprints,
    NumpyBackend,
):
    """The textbook's operations on the same arrays, several times faster."""

    name = "numba"

    def run_prediction(
        self, model: Any, predict: Callable[[list[Any]], list[Any]], inputs: list[Any]
    ) -> list[Any]:
        """predict(inputs); the pool then keeps no more than it may."""
        outputs = super().run_prediction(model, predict, inputs)
        tidy()
        return outputs

    def run_step(
        self, model: Any, step: Callable[[Any], None], batch: Any, recordable: bool
    ) -> dict[str, float]:
        """step(batch), and the pool likewise."""
        results = super().run_step(model, step, batch, recordable)
        tidy()
        return results
