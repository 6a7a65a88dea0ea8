"""The matrix product of dense layers and 1x1 convolutions: BLAS, a share each thread."""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.numba.threads import for_each, thread_count
from tinyconv.backends.numba.workspace import empty
from tinyconv.backends.numpy import NumpyBackend

SMALL = 1 << 20  # multiplications that are done before a second thread has woken up


class Products(NumpyBackend):
    def matmul(self, a: Array, b: Array) -> Array:
        """The rows of the result are shared out, or its columns where those are more."""
        (M, K), N = a.shape, b.shape[1]
        out = empty((M, N), a.dtype)
        shares = 1 if M * N * K < SMALL else thread_count()

        def work(share: int) -> None:
            part = slice(share * max(M, N) // shares, (share + 1) * max(M, N) // shares)
            if M >= N:
                np.matmul(a[part], b, out=out[part])
            else:
                np.matmul(a, b[:, part], out=out[:, part])

        for_each(work, shares)
        return out
