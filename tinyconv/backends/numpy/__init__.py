"""The textbook backend: every operation complete in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.numpy.activations import Activations
from tinyconv.backends.numpy.convolution import Convolution
from tinyconv.backends.numpy.fused import Fused
from tinyconv.backends.numpy.losses import Losses
from tinyconv.backends.numpy.normalization import Normalization
from tinyconv.backends.numpy.optimizers import Optimizers
from tinyconv.backends.numpy.pooling import Pooling
from tinyconv.geometry import Pair


class NumpyBackend(Fused, Convolution, Activations, Pooling, Normalization, Losses, Optimizers):
    """The specification of the other backends: readable first, fast where NumPy is."""

    name = "numpy"
    xp = np

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        return np.asarray(values, dtype)

    def to_numpy(self, x: Array) -> Array:
        return np.asarray(x)

    def gather(self, x: Array, indices: Array, dtype: Any) -> Array:
        return np.asarray(x[indices], dtype)

    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        return np.matmul(a, b, out=out)

    def zero_pad(self, x: Array, padding: tuple[Pair, Pair]) -> Array:
        return np.pad(x, ((0, 0), *padding, (0, 0)))

    def dropout(self, x: Array, rate: float, generator: np.random.Generator) -> tuple[Array, Array]:
        """Inverted dropout: y = x * kept / (1 - rate), so that E[y] = x.

        Source: Srivastava et al. 2014, section 10.
        """
        kept = generator.random(x.shape, dtype=np.float32) >= rate
        return self.dropout_backward(x, kept, rate), kept

    def dropout_backward(self, dy: Array, kept: Array, rate: float) -> Array:
        """dx = dy * kept / (1 - rate): the mask is linear, so backward is the same map."""
        return np.where(kept, dy * dy.dtype.type(1 / (1 - rate)), dy.dtype.type(0))
