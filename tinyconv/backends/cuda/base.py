"""What every family of operations of the CUDA backend shares: the device."""

from __future__ import annotations

from typing import Any

from tinyconv.backends.base import Backend
from tinyconv.backends.cuda.device import Device


class OnDevice(Backend):
    """Operations that ask `self.device` for arrays, products and kernels."""

    name = "cupy"

    def __init__(self, device: Device) -> None:
        self.device = device
        self.xp: Any = device.xp
