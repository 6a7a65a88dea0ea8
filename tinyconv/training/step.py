"""One training step and one evaluation step."""

from __future__ import annotations

import math
from typing import Any

from tinyconv.backends.base import Array
from tinyconv.losses import Loss, LossResult
from tinyconv.optimizers.buffer import ParameterBuffer


def takes_over(loss: Loss, model: Any) -> bool:
    """Whether the loss is fused with the model's last activation (softmax or sigmoid).

    Only where the loss expects probabilities: with from_logits=True the outputs are meant as
    they are, whatever they have gone through.
    """
    expects_probabilities = not getattr(loss, "from_logits", False)
    return expects_probabilities and loss.fused_activation == model.final_activation != "linear"


def forward_and_loss(
    model: Any, x: Array, y: Any, weight: Array | None, training: bool
) -> tuple[LossResult, Any]:
    """The loss of one batch, and the tape for the way back."""
    fused = takes_over(model.loss, model)
    y_pred, tape = model.forward_for_loss(x, training, fused)
    result = model.loss.compute(y, y_pred, weight, from_logits=fused)
    penalty = sum(penalty(weight.value) for weight, penalty in model.regularized)
    return result._replace(value=result.value + penalty), tape


def train_step(
    model: Any, buffer: ParameterBuffer, x: Array, y: Any, weight: Array | None
) -> LossResult:
    """Forward, loss, backward, update: loss and gradients are those before the update.

    Raises:
        FloatingPointError: if the loss is NaN or infinite; the weights are not touched then.
    """
    result, tape = forward_and_loss(model, x, y, weight, training=True)
    if not math.isfinite(result.value):
        raise FloatingPointError(
            f"{model!r}: the loss became {result.value} after {model.optimizer.iterations} steps. "
            "Usual causes: a learning rate that is too large "
            f"(now {model.optimizer.learning_rate:g}), or inputs that were never scaled. "
            "The weights are those before this step"
        )
    grads = model.backward_parameters(result.gradient, tape)
    for variable, penalty in model.regularized:
        grads[variable.path] = grads[variable.path] + penalty.gradient(variable.value)
    buffer.collect(grads)
    model.optimizer.apply(buffer)
    return result
