"""One training step and one evaluation step."""

from __future__ import annotations

import math
from typing import Any

from tinyconv.backends.base import Array
from tinyconv.losses import Loss, LossResult
from tinyconv.optimizers.buffer import ParameterBuffer


def fused(loss: Loss, model: Any) -> bool:
    """Whether the loss takes over the model's last activation (softmax or sigmoid)."""
    return bool(loss.fused_activation == model.final_activation != "linear")


def forward_and_loss(
    model: Any, x: Array, y: Any, weight: Array | None, training: bool
) -> tuple[LossResult, Any]:
    """The loss of one batch, and the tape for the way back: the model's cache of caches."""
    logits = fused(model.loss, model)
    y_pred, tape = model.forward_for_loss(x, training, logits)
    result = model.loss.compute(y, y_pred, weight, from_logits=logits)
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
    try:
        result, tape = forward_and_loss(model, x, y, weight, training=True)
        _check_loss(model, result.value)
    except BaseException:
        for statistic, before in statistics:
            statistic.value[...] = before
        raise
    grads = model.backward_parameters(result.gradient, tape)
    for variable, regularizer in model.regularized:
        grads[variable.path] = grads[variable.path] + regularizer.gradient(variable.value)
    buffer.collect(grads)
    model.optimizer.apply(buffer)
    return result


def _check_loss(model: Any, loss: float) -> None:
    """Raise FloatingPointError for a loss that is NaN or infinite."""
    if not math.isfinite(loss):
        raise FloatingPointError(
            f"{model!r}: the loss became {loss} after {model.optimizer.iterations} steps. "
            "Usual causes: a learning rate that is too large "
            f"(now {model.optimizer.learning_rate:g}), or inputs that were never scaled. "
            "The weights are those before this step"
        )
