"""RMSprop."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.optimizers.base import Optimizer, check_range


class RMSprop(Optimizer):
    """s = rho s + (1 - rho) g^2,  w -= lr g / sqrt(s + epsilon).

    Args:
        learning_rate: number or schedule.
        rho: weight of the past in the running mean of squares.
        momentum: in [0, 1), gathers the steps in a velocity.
        epsilon: inside the root, as in Keras.
        centered: subtract the squared mean of the gradients: their variance, not their size.
        weight_decay, clipnorm, ...: see `Optimizer`.

    Raises:
        ValueError: if rho or momentum is outside [0, 1), or epsilon negative.

    Source: Tieleman & Hinton 2012, lecture 6e; Graves 2013, equations 38 to 45.
    """

    config_keys = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(learning_rate, **base)
        self.rho = check_range("rho", rho, below=1)
        self.momentum = check_range("momentum", momentum, below=1)
        self.epsilon, self.centered = check_range("epsilon", epsilon), bool(centered)

    def slot_names(self) -> tuple[str, ...]:
        """The mean square; the mean if centered; the velocity with momentum."""
        names = {"square": True, "mean": self.centered, "velocity": self.momentum > 0}
        return tuple(name for name, used in names.items() if used)

    def update(self, param: Array, grad: Array, learning_rate: Any) -> None:
        """See `Backend.rmsprop_update`."""
        mean, velocity = self.slots.get("mean"), self.slots.get("velocity")
        get_backend().rmsprop_update(
            param, grad, self.slots["square"], mean, velocity,
            learning_rate, self.rho, self.momentum, self.epsilon,
        )  # fmt: skip
