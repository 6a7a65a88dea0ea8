"""The operations that are measured one by one, with the bytes and operations each needs.

They are the backend's own, on images large enough for no cache: N images of 56 x 56 with 128
channels, but for columns, which are nine times as large, with 64. A float32 has 4 bytes; what
a maximum's place or a kept element must take is one byte, whatever a backend takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.gpu.measuring import Cost
from tinyconv.backends.base import Activation
from tinyconv.geometry import slide

F, INT = 4, 8  # bytes of a float32, of a class or an index
RELU = Activation("relu")


class Draw:
    """Random arrays on the device: zeros would be measured as faster than they are."""

    def __init__(self, backend: Any, seed: int = 0) -> None:
        self._backend, self._xp = backend, backend.xp
        self._generator = self._xp.random.default_rng(seed)

    def normal(self, *shape: int) -> Any:
        """float32."""
        return self._generator.standard_normal(shape, dtype="float32")

    def positive(self, *shape: int) -> Any:
        """float32, above 0."""
        return self._xp.abs(self.normal(*shape)) + self._xp.float32(1e-3)

    def integers(self, below: int, *shape: int, dtype: str = "int64") -> Any:
        """0 to below - 1."""
        return self._generator.integers(0, below, shape).astype(dtype)

    def places(self, pool: Any, *shape: int) -> Any:
        """Of the maxima, as the backend writes them."""
        return self._backend.max_pool(self.normal(*shape), pool)[1]


class Kernel(NamedTuple):
    """An operation to measure.

    Attributes:
        name, shape: shown in the table.
        cost: what it can't do without.
        inputs: new random ones.
        call: call(backend, *inputs).
    """

    name: str
    shape: str
    cost: Cost
    inputs: Callable[[Draw], tuple[Any, ...]]
    call: Callable[..., Any]


def kernels(N: int, size: int = 56) -> list[Kernel]:
    """All of them, for N images of size x size."""
    return [
        *_elementwise(N, size), *_pooling(N, size), *_normalization(N, size), *_losses(N * 512),
        *_optimizers(N * 2**18), *_columns(N, size), *_products(32 * N),
    ]  # fmt: skip


def numba_cuda_kernels(N: int, size: int = 56, C: int = 64) -> list[Kernel]:
    """The im2col family as it is written in Numba CUDA, on the same arrays."""
    images, n = (N, size, size, C), N * size * size * C
    window = slide((size, size), (3, 3), (1, 1), "same")
    pool = slide((size, size), (2, 2), (2, 2), "valid")
    m = N * pool.output[0] * pool.output[1] * C
    shape = _shown(images)
    return [
        Kernel(
            "im2col 3x3, Numba CUDA", shape, Cost(F * 10 * n, 0),
            lambda draw: (draw.normal(*images),),
            lambda backend, x: _numba_cuda().im2col(x, window),
        ),
        Kernel(
            "col2im 3x3, Numba CUDA", shape, Cost(F * 10 * n, 9 * n),
            lambda draw: (draw.normal(N * size * size, 9 * C),),
            lambda backend, columns: _numba_cuda().col2im(columns, window),
        ),
        Kernel(
            "max-pool 2x2, Numba CUDA", shape, Cost(F * n + (F + 1) * m, 3 * m),
            lambda draw: (draw.normal(*images),),
            lambda backend, x: _numba_cuda().max_pool(x, pool),
        ),
    ]  # fmt: skip


def _elementwise(N: int, size: int, C: int = 128) -> list[Kernel]:
    images, n = (N, size, size, C), N * size * size * C
    rows, row = 512 * N, 784
    generator = _host_generator()
    shape = _shown(images)
    return [
        Kernel(
            "gather a batch", f"{rows}x{row}", Cost(rows * (2 * F * row + INT), 0),
            lambda draw: (draw.normal(rows, row), draw.integers(rows, rows)),
            lambda backend, x, indices: backend.gather(x, indices, "float32"),
        ),
        Kernel(
            "bias + ReLU", shape, Cost(F * (2 * n + C), 2 * n),
            lambda draw: (draw.normal(*images), draw.normal(C)),
            lambda backend, z, bias: backend.activate(z, bias, RELU),
        ),
        Kernel(
            "gradient of bias + ReLU", shape, Cost(F * (3 * n + C), 2 * n),
            lambda draw: (draw.normal(*images), draw.positive(*images)),
            lambda backend, dy, y: backend.activate_backward(dy, y, RELU, True),
        ),
        Kernel(
            "dropout", shape, Cost((2 * F + 1) * n, n),
            lambda draw: (draw.normal(*images),),
            lambda backend, x: backend.dropout(x, 0.5, generator),
        ),
        Kernel(
            "gradient of dropout", shape, Cost((2 * F + 1) * n, n),
            lambda draw: (draw.normal(*images), draw.integers(2, *images, dtype="bool")),
            lambda backend, dy, kept: backend.dropout_backward(dy, kept, 0.5),
        ),
    ]  # fmt: skip


def _pooling(N: int, size: int, C: int = 128) -> list[Kernel]:
    images, n = (N, size, size, C), N * size * size * C
    pool = slide((size, size), (2, 2), (2, 2), "valid")
    pooled = (N, *pool.output, C)
    m = N * pool.output[0] * pool.output[1] * C
    shape = _shown(images)
    return [
        Kernel(
            "max-pool 2x2", shape, Cost(F * n + (F + 1) * m, 3 * m),
            lambda draw: (draw.normal(*images),),
            lambda backend, x: backend.max_pool(x, pool),
        ),
        Kernel(
            "gradient of max-pool 2x2", shape, Cost(F * n + (F + 1) * m, 0),
            lambda draw: (draw.normal(*pooled), draw.places(pool, *images)),
            lambda backend, dy, places: backend.max_pool_backward(dy, places, pool),
        ),
        Kernel(
            "average-pool 2x2", shape, Cost(F * (n + m), 4 * m),
            lambda draw: (draw.normal(*images),),
            lambda backend, x: backend.average_pool(x, pool),
        ),
        Kernel(
            "gradient of average-pool 2x2", shape, Cost(F * (n + m), m),
            lambda draw: (draw.normal(*pooled),),
            lambda backend, dy: backend.average_pool_backward(dy, pool),
        ),
    ]  # fmt: skip


def _normalization(N: int, size: int, C: int = 128) -> list[Kernel]:
    images, n = (N, size, size, C), N * size * size * C
    shape = _shown(images)

    def two(draw: Draw) -> tuple[Any, ...]:
        return draw.normal(*images), draw.normal(C), draw.normal(C)

    def statistics(draw: Draw) -> tuple[Any, ...]:
        return draw.normal(C), draw.positive(C)

    return [
        # x is needed for its mean and variance, and again to be normalised.
        Kernel(
            "batch norm", shape, Cost(F * (3 * n + 4 * C), 6 * n), two,
            lambda backend, x, gamma, beta: backend.batch_norm(x, gamma, beta, 1e-3),
        ),
        # dy and x are needed for two sums, and again for dx.
        Kernel(
            "gradient of batch norm", shape, Cost(F * (5 * n + 5 * C), 8 * n),
            lambda draw: (draw.normal(*images), draw.normal(*images), draw.normal(C),
                          *statistics(draw)),
            lambda backend, dy, x, gamma, mean, variance: backend.batch_norm_backward(
                dy, x, gamma, mean, variance, 1e-3
            ),
        ),
        Kernel(
            "batch norm, inference", shape, Cost(F * (2 * n + 4 * C), 2 * n),
            lambda draw: (*two(draw), *statistics(draw)),
            lambda backend, x, gamma, beta, mean, variance: backend.normalize(
                x, gamma, beta, mean, variance, 1e-3
            ),
        ),
    ]  # fmt: skip


def _losses(N: int, K: int = 1000) -> list[Kernel]:
    shape, n = f"{N}x{K}", N * K
    return [
        Kernel(
            "softmax + cross-entropy", shape, Cost(F * (3 * n + 2 * N) + INT * N, 6 * n),
            lambda draw: (draw.normal(N, K), draw.integers(K, N), draw.positive(N)),
            lambda backend, *inputs: backend.softmax_cross_entropy(*inputs),
        ),
        Kernel(
            "sigmoid + cross-entropy", shape, Cost(F * (4 * n + 2 * N), 12 * n),
            lambda draw: (
                draw.normal(N, K), draw.integers(2, N, K, dtype="float32"), draw.positive(N)
            ),
            lambda backend, *inputs: backend.sigmoid_cross_entropy(*inputs),
        ),
    ]  # fmt: skip


def _optimizers(P: int) -> list[Kernel]:
    shape = f"{P:,}"
    return [
        Kernel(
            "SGD with momentum", shape, Cost(5 * F * P, 4 * P),
            lambda draw: tuple(draw.normal(P) for _ in range(3)),
            lambda backend, *inputs: backend.sgd_update(*inputs, 1e-3, 0.9, False),
        ),
        Kernel(
            "RMSprop", shape, Cost(5 * F * P, 9 * P),
            lambda draw: (draw.normal(P), draw.normal(P), draw.positive(P)),
            lambda backend, *inputs: backend.rmsprop_update(
                *inputs, None, None, 1e-3, 0.9, 0.0, 1e-7
            ),
        ),
        Kernel(
            "Adam", shape, Cost(7 * F * P, 12 * P),
            lambda draw: (draw.normal(P), draw.normal(P), draw.normal(P), draw.positive(P)),
            lambda backend, *inputs: backend.adam_update(*inputs, None, 1e-3, 0.9, 0.999, 1e-7),
        ),
    ]  # fmt: skip


def _columns(N: int, size: int, C: int = 64) -> list[Kernel]:
    images, n = (N, size, size, C), N * size * size * C
    window = slide((size, size), (3, 3), (1, 1), "same")
    shape = _shown(images)
    return [
        Kernel(
            "im2col 3x3", shape, Cost(F * 10 * n, 0), lambda draw: (draw.normal(*images),),
            lambda backend, x: backend.im2col(x, window),
        ),
        Kernel(
            "col2im 3x3", shape, Cost(F * 10 * n, 9 * n),
            lambda draw: (draw.normal(N * size * size, 9 * C),),
            lambda backend, columns: backend.col2im(columns, window),
        ),
    ]  # fmt: skip


def _products(M: int) -> list[Kernel]:
    return [
        Kernel(
            "matrix product", f"{M}x{M} @ {M}x{M}", Cost(3 * F * M * M, 2 * M**3),
            lambda draw: (draw.normal(M, M), draw.normal(M, M)),
            lambda backend, a, b: backend.matmul(a, b),
        )
    ]  # fmt: skip


def _numba_cuda() -> Any:
    # Or Numba waits for the device before each launch, for every array, and that is measured.
    # Both launch on the default stream here, which keeps the order by itself.
    os.environ.setdefault("NUMBA_CUDA_ARRAY_INTERFACE_SYNC", "0")  # read at the first import
    from tinyconv.backends.cuda import numba_cuda  # imported only where it is installed

    return numba_cuda


def _host_generator() -> Any:
    import numpy as np

    return np.random.default_rng(0)


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)
