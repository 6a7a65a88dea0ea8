"""Blocks of passes that keep nothing: with no way back, more can be computed together.

block       layers                                             operation of the backend
Folded      Conv2D or Dense + BatchNormalization (+ ...)       the same with another kernel
Residual    Conv2D (+ BatchNormalization) + Add (+ Activation) conv_add
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import LINEAR, Array
from tinyconv.models import folding
from tinyconv.models.blocks import Affine, Block, Call


class Folded(Block):
    """A constant batch normalisation inside the convolution or dense layer before it.

    The last folded kernel is kept and never changed, so several threads may run the block.
    """

    def __init__(self, calls: Sequence[Call], affine: Affine, apart: list[Block]) -> None:
        super().__init__(calls, keep=False, need_dx=False, need_parameters=False)
        self.affine, self.apart = affine, apart
        self._kept: folding.Kept | None = None
        self.operation = affine.operation

    def forward(self, x: Any) -> tuple[Array, None]:
        """One operation with the folded kernel; the layers apart where that is less work."""
        x = self.affine.layer.prepare(x)
        folded = self.kernel_and_bias(x)
        if folded is not None:
            return self.affine.compute(x, *folded)[0], None
        for block in self.apart:
            x, _ = block.forward(x)
        return x, None

    def kernel_and_bias(self, x: Array) -> tuple[Array, Array] | None:
        """Those that do the work of both layers, or None where folding them does not pay."""
        (layer, *_), (norm, *_) = self.calls[:2]
        if not folding.pays(layer, x.shape):
            return None
        self._kept = kept = folding.kept(layer, norm, self._kept)
        return folding.fold(layer, norm) if kept is None else (kept.kernel, kept.bias)


class Residual(Block):
    """A branch that ends with a convolution, and the sum with the other branch behind it.

    Args:
        calls: all layers.
        branch: the convolution, with its normalisation.
        total: the sum, with its activation.
    """

    operation = "conv_add"

    def __init__(self, calls: Sequence[Call], branch: Affine | Folded, total: Block) -> None:
        super().__init__(calls, keep=False, need_dx=False, need_parameters=False)
        self.branch, self.total = branch, total

    def forward(self, x: Any) -> tuple[Array, None]:
        """x = [input of the convolution, the other branch] -> activation(conv(...) + other).

        One after the other where the other branch is repeated along an axis, or nothing folded.
        """
        x, other = x
        layer, last = self.calls[0].layer, self.total.calls[-1]
        x = layer.prepare(x)
        kernel_and_bias, window = self.branch.kernel_and_bias(x), layer.window(x.shape)
        shape = len(x), *window.output, layer.filters
        if kernel_and_bias is None or (other.shape, other.dtype) != (shape, x.dtype):
            y, _ = self.branch.forward(x)
            return self.total.forward([y, other])[0], None
        function = last.function() if len(self.total.calls) > 1 else LINEAR
        backend = get_backend()
        return backend.conv_add(x, *kernel_and_bias, other, window, layer.groups, function), None
