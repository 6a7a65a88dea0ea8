"""What every family of operations of the CUDA backend shares: the device."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Array, Backend
from tinyconv.backends.cuda.device import Device


class OnDevice(Backend):
    """Operations that ask `self.device` for arrays, products and kernels."""

    name = "cupy"

    @property
    def _failed(self) -> Any:
        """Where the device notes that a loss was not finite; see steps.py."""
        return None

    def __init__(self, device: Device) -> None:
        self.device = device
        self.xp: Any = device.xp

    def _launch_laned(
        self, kernel: str, lanes: int, like: Array, size: int, *arguments: Any
    ) -> None:
        """A LANED kernel (kernels/lanes.cuh) over `size` elements, `lanes` of them a thread."""
        name = kernel if lanes == 1 else f"{kernel}_vector"
        self.device.launch(name, like.dtype, -(-size // lanes), *arguments)
