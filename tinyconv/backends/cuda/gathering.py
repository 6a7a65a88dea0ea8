"""The batch of one step, gathered and cast on the device."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.base import OnDevice

_KERNELS = {"uint8": "gather_bytes", "float32": "gather_floats", "float64": "gather_doubles"}


class Gathering(OnDevice):
    def gather(self, x: Array, indices: Array, dtype: Any) -> Array:
        """y[r] = x[indices[r]]; what is not of a usual type is cast by the array module."""
        dtype, xp = np.dtype(dtype), self.device.xp
        rows = xp.ascontiguousarray(self.asarray(indices), np.int64)
        kernel = _KERNELS.get(x.dtype.name) if x.dtype.isnative else None
        if kernel is None or dtype.name not in ("float32", "float64"):
            return xp.asarray(x[rows], dtype)
        x = xp.ascontiguousarray(x)
        y = xp.empty((len(rows), *x.shape[1:]), dtype)
        columns = y.size // max(len(rows), 1)
        wider = x.itemsize > y.itemsize  # then 16 bytes of y are more of x
        lanes = 1 if wider else self.device.lanes(columns, y, x)
        arguments = x, rows, np.int64(columns), y
        self._launch_laned(f"gather:{kernel}", lanes, y, y.size, *arguments)
        return y
