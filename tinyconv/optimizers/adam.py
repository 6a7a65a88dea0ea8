"""Adam, and AdamW."""

from __future__ import annotations

import math
from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.optimizers.base import Optimizer, check_range


class Adam(Optimizer):
    """w -= lr m^ / (sqrt(v^) + epsilon), with running means m of g and v of g^2.

    m^ and v^ correct their start at zero; the correction is folded into the step:

        step = lr * sqrt(1 - beta_2^t) / (1 - beta_1^t),   w -= step * m / (sqrt(v) + epsilon)

    Args:
        learning_rate: number or schedule.
        beta_1, beta_2: weight of the past in m and v.
        epsilon: outside the root.
        amsgrad: divide by the largest v so far.
        weight_decay, clipnorm, ...: see `Optimizer`.

    Raises:
        ValueError: if a beta is outside [0, 1), or epsilon negative.

    Source: Kingma & Ba 2015, algorithm 1 and the end of section 2; Reddi et al. 2018.
    """

    config_keys = ("beta_1", "beta_2", "epsilon", "amsgrad")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **base: Any,
    ) -> None:
        super().__init__(learning_rate, **base)
        self.beta_1 = check_range("beta_1", beta_1, below=1)
        self.beta_2 = check_range("beta_2", beta_2, below=1)
        self.epsilon, self.amsgrad = check_range("epsilon", epsilon), bool(amsgrad)

    def slot_names(self) -> tuple[str, ...]:
        """The means of g and g^2, and the largest of the latter for AMSGrad."""
        return ("m", "v", "v_max") if self.amsgrad else ("m", "v")

    def update(self, param: Array, grad: Array, learning_rate: Any) -> None:
        """See `Backend.adam_update`."""
        backend = get_backend()
        root = backend.each_step(lambda: math.sqrt(1 - self.beta_2 ** (self.iterations + 1)))
        rest = backend.each_step(lambda: 1 - self.beta_1 ** (self.iterations + 1))
        step = learning_rate * root / rest
        m, v, v_max = self.slots["m"], self.slots["v"], self.slots.get("v_max")
        backend.adam_update(param, grad, m, v, v_max, step, self.beta_1, self.beta_2, self.epsilon)


class AdamW(Adam):
    """Adam with weight decay beside the gradient, not inside it.

    Source: Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
    """

    def __init__(
        self, learning_rate: Any = 0.001, weight_decay: float = 0.004, **adam: Any
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, **adam)
