"""Cross-entropies: see kernels/losses.cu."""

from __future__ import annotations

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.base import OnDevice
from tinyconv.backends.cuda.expecting import expect

_MOST_BLOCKS = 1 << 20  # each takes several rows where there are more


class Losses(OnDevice):
    def softmax_cross_entropy(
        self, logits: Array, targets: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """-> (losses, p, dlogits)."""
        if targets.ndim == 1:
            expect("targets", targets, logits.shape[:1])
            classes = self.xp.ascontiguousarray(targets, np.int32)
            return self._by_rows("softmax_cross_entropy", logits, (classes, None), weights)
        expect("targets", targets, logits.shape)
        rows = self.xp.ascontiguousarray(targets, logits.dtype)
        return self._by_rows("softmax_cross_entropy", logits, (None, rows), weights)

    def sigmoid_cross_entropy(
        self, logits: Array, targets: Array, weights: Array
    ) -> tuple[Array, Array, Array]:
        """-> (losses, p, dlogits)."""
        expect("targets", targets, logits.shape)
        rows = self.xp.ascontiguousarray(targets, logits.dtype)
        return self._by_rows("sigmoid_cross_entropy", logits, (rows,), weights)

    def _by_rows(
        self, kernel: str, logits: Array, targets: tuple[Array | None, ...], weights: Array
    ) -> tuple[Array, Array, Array]:
        """One block a row, of as many threads as the row keeps busy."""
        (N, K), xp, dtype = logits.shape, self.xp, logits.dtype
        expect("weights", weights, (N,))
        logits = xp.ascontiguousarray(logits)
        weights = xp.ascontiguousarray(weights, dtype)
        losses = xp.empty(N, dtype)
        p, dlogits = xp.empty((N, K), dtype), xp.empty((N, K), dtype)
        block = min(max(32, 1 << (K - 1).bit_length()), 256)
        self.device.launch_blocks(
            f"losses:{kernel}", dtype, min(N, _MOST_BLOCKS), block,
            N, K, logits, *targets, weights, losses, p, dlogits,
            shared=block * dtype.itemsize,
        )  # fmt: skip
        return losses, p, dlogits
