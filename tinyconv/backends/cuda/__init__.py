"""The GPU backend: CuPy for arrays and BLAS, kernels/*.cu for the rest.

One file a family of operations. Arrays stay on the device from the batch's arrival on.
"""

from __future__ import annotations

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.activations import Activations
from tinyconv.backends.cuda.convolution import Convolution
from tinyconv.backends.cuda.convolution.chooser import check
from tinyconv.backends.cuda.device import Device
from tinyconv.backends.cuda.dropping import Dropping
from tinyconv.backends.cuda.gathering import Gathering
from tinyconv.backends.cuda.losses import Losses
from tinyconv.backends.cuda.normalization import Normalization
from tinyconv.backends.cuda.optimizers import Optimizers
from tinyconv.backends.cuda.pooling import Pooling
from tinyconv.backends.cuda.steps import Steps
from tinyconv.geometry import Pair


class CudaBackend(
    Steps, Convolution, Activations, Pooling, Normalization, Losses, Dropping, Optimizers, Gathering
):
    """The textbook's operations on a GPU.

    Args:
        device: what computes; by default the GPU, through CuPy.
        conv: an algorithm for all convolutions that it can do.
        tf32: whether products of float32 may be computed in TF32, without a `device` of your own.

    Raises:
        RuntimeError: without a usable GPU, with what is missing.
        ValueError: if there is no such algorithm.
    """

    def __init__(
        self, device: Device | None = None, conv: str | None = None, tf32: bool = False
    ) -> None:
        if conv is not None:
            check(conv)
        self._conv = conv
        if device is None:
            from tinyconv.backends.cuda.cupy_device import CupyDevice

            device = CupyDevice(tf32)
        super().__init__(device)

    def to_numpy(self, x: Array) -> Array:
        return self.device.to_numpy(x)

    def zero_pad(self, x: Array, padding: tuple[Pair, Pair]) -> Array:
        padded: Array = self.xp.pad(x, ((0, 0), *padding, (0, 0)))
        return padded

    def matmul(self, a: Array, b: Array, out: Array | None = None) -> Array:
        return self.device.matmul(a, b, out)
