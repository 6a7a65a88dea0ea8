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
    """The loss of one batch, and the tape for the way back: the model's cache of caches."""
    fused = takes_over(model.loss, model)
    y_pred, tape = model.forward_for_loss(x, training, fused)
    result = model.loss.compute(y, y_pred, weight, from_logits=fused)
    penalty = sum(regularizer(weight.value) for weight, regularizer in model.regularized)
    return result._replace(value=result.value + penalty), tape


def train_step(
    model: Any, buffer: ParameterBuffer, x: Array, y: Any, weight: Array | None
) -> LossResult:
    """Forward, loss, backward, update: loss and gradients are those before the update.

    Raises:
        FloatingPointError: if the loss is NaN or infinite; weights and moving statistics are
            then those before the step.
    """
    statistics = [(w, w.value.copy()) for w in model.weights if w.name in w.layer.state]
    result, tape = forward_and_loss(model, x, y, weight, training=True)
    if not math.isfinite(result.value):
        for statistic, before in statistics:
            statistic.value[...] = before
        raise FloatingPointError(
            f"{model!r}: the loss became {result.value} after {model.optimizer.iterations} steps. "
            "Usual causes: a learning rate that is too large "
            f"(now {model.optimizer.learning_rate:g}), or inputs that were never scaled. "
            "The weights are those before this step"
        )
    grads = model.backward_parameters(result.gradient, tape)
    for variable, regularizer in model.regularized:
        grads[variable.path] = grads[variable.path] + regularizer.gradient(variable.value)
    buffer.collect(grads)
    model.optimizer.apply(buffer)
    return result
