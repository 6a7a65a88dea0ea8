"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.optimizers.base import Optimizer, check_range


class SGD(Optimizer):
    """w -= lr g, or with momentum v = momentum v - lr g, w += v.

    Args:
        learning_rate: number or schedule.
        momentum: in [0, 1).
        nesterov: look ahead: w += momentum v - lr g.
        weight_decay, clipnorm, ...: see `Optimizer`.

    Raises:
        ValueError: if `momentum` is outside [0, 1).

    Source: Sutskever et al. 2013, equations 1 to 4.
    """

    config_keys = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(learning_rate, **base)
        self.momentum = check_range("momentum", momentum, below=1)
        self.nesterov = bool(nesterov)

    def slot_names(self) -> tuple[str, ...]:
        """The velocity, with momentum."""
        return ("velocity",) if self.momentum else ()

    def update(self, param: Array, grad: Array, learning_rate: Any) -> None:
        """See `Backend.sgd_update`."""
        get_backend().sgd_update(
            param, grad, self.slots.get("velocity"), learning_rate, self.momentum, self.nesterov
        )
