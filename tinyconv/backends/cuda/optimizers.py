"""Optimizer updates on the device: one kernel over the flat buffers, in place.

A step size may also be an array of this device that holds one float64: the kernel then reads
it when it runs, as a captured graph must.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.backends.cuda.base import OnDevice


class Optimizers(OnDevice):
    def sgd_update(
        self,
        param: Array,
        grad: Array,
        velocity: Array | None,
        learning_rate: float,
        momentum: float,
        nesterov: bool,
    ) -> None:
        """Stochastic gradient descent in one pass."""
        numbers = bool(nesterov), *self._step(learning_rate), float(momentum)
        self._update("sgd", param, grad, [velocity], *numbers)

    def rmsprop_update(
        self,
        param: Array,
        grad: Array,
        square: Array,
        mean: Array | None,
        velocity: Array | None,
        learning_rate: float,
        rho: float,
        momentum: float,
        epsilon: float,
    ) -> None:
        """RMSprop in one pass."""
        numbers = float(rho), float(1 - rho), float(momentum), float(epsilon)
        slots = [square, mean, velocity]
        self._update("rmsprop", param, grad, slots, *self._step(learning_rate), *numbers)

    def adam_update(
        self,
        param: Array,
        grad: Array,
        m: Array,
        v: Array,
        v_max: Array | None,
        step_size: float,
        beta_1: float,
        beta_2: float,
        epsilon: float,
    ) -> None:
        """Adam in one pass."""
        numbers = float(1 - beta_1), float(1 - beta_2), float(epsilon)
        self._update("adam", param, grad, [m, v, v_max], *self._step(step_size), *numbers)

    def _step(self, size: Any) -> tuple[float, Array | None]:
        """The step size, and where it is on the device."""
        xp = self.device.xp
        if isinstance(size, xp.ndarray):
            return 0.0, xp.ascontiguousarray(size, np.float64)
        return float(size), None

    def _update(
        self, kernel: str, param: Array, grad: Array, slots: list[Array | None], *numbers: Any
    ) -> None:
        """Run the kernel on flat, contiguous buffers, and see that the originals are changed."""
        xp = self.device.xp
        originals = [param, *slots]
        dense = [None if x is None else xp.ascontiguousarray(x) for x in originals]
        grad = xp.ascontiguousarray(grad)
        lanes = self.device.lanes(16, grad, *(x for x in dense if x is not None))
        tiny = 1e8 * float(np.finfo(param.dtype).tiny)  # 1e-30 for float32
        arguments = np.int64(param.size), dense[0], grad, *dense[1:], *numbers, tiny, self._failed
        self._launch_laned(f"optimizers:{kernel}", lanes, param, param.size, *arguments)
        for original, buffer in zip(originals, dense, strict=True):
            if original is not None and buffer is not original:
                original[...] = buffer
