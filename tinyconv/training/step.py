"""One training step and one evaluation step."""

from __future__ import annotations

from typing import Any

from tinyconv.backends import get_backend
from tinyconv.interrupts import held_back
from tinyconv.layers.base import Gradients
from tinyconv.optimizers.buffer import ParameterBuffer
from tinyconv.training.batch import Batch
from tinyconv.training.objective import ObjectiveResult


class Trained:
    """What a run of steps works on, gathered once.

    Attributes:
        buffer: the trained parameters and their gradients.
        statistics: the variables that a forward pass changes (moving averages).
        regularized: trained variables that carry a penalty, with the penalty.
    """

    def __init__(self, model: Any, buffer: ParameterBuffer) -> None:
        self.buffer = buffer
        self.statistics = [w for w in model.weights if w.name in w.layer.state]
        self.regularized = regularized(model)


def regularized(model: Any) -> list[tuple[Any, Any]]:
    """The trained variables that carry a penalty, with the penalty."""
    return [
        (weight, weight.layer.regularizers[weight.name])
        for weight in model.trainable_weights
        if weight.name in weight.layer.regularizers
    ]


def forward_and_loss(
    model: Any, batch: Batch, training: bool, penalties: list[tuple[Any, Any]] | None = None
) -> tuple[ObjectiveResult, Any]:
    """The loss of one batch, and the tape for the way back: the model's cache of caches.

    Args:
        penalties: what `regularized` returns, where it is known already.
    """
    logits = model.objective.fused(model.final_activations)
    outputs, tape = model.forward_for_loss(batch.x, training, logits)
    result = model.objective.compute(batch, outputs, logits)
    penalties = regularized(model) if penalties is None else penalties
    penalty = sum(regularizer(weight.value) for weight, regularizer in penalties)
    return result._replace(value=result.value + penalty), tape


def loss_gradients(
    model: Any,
    result: ObjectiveResult,
    tape: Any,
    penalties: list[tuple[Any, Any]] | None = None,
    into: Gradients | None = None,
) -> Gradients:
    """The gradients of the loss, penalties included, by the paths of what is trained.

    Arguments as `forward_and_loss` takes and gives them; the tape is used up.
    `into`: see `Graph.backward`.
    """
    grads: Gradients = model.backward_from_loss(result.gradients, tape, into)
    for variable, regularizer in regularized(model) if penalties is None else penalties:
        grads[variable.path] = grads[variable.path] + regularizer.gradient(variable.value)
    return grads


def train_step(model: Any, trained: Trained, batch: Batch) -> ObjectiveResult:
    """Forward, loss, backward, update: loss and gradients are those before the update.

    Whatever ends it early, Ctrl-C included, ends it before the step or after it, as far as the
    weights, moving statistics and the optimizer go.

    Raises:
        FloatingPointError: if the loss is NaN or infinite; weights and moving statistics are
            then those before the step.
    """
    statistics = [(weight, weight.value.copy()) for weight in trained.statistics]
    try:
        result, tape = forward_and_loss(model, batch, True, trained.regularized)
        if not get_backend().is_finite(result.value):
            raise loss_error(model, result.value)
        get_backend().put_back(statistics)
        into = trained.buffer.places
        trained.buffer.collect(loss_gradients(model, result, tape, trained.regularized, into))
        with held_back():
            model.optimizer.apply(trained.buffer)
            statistics = []  # the step is whole
    except BaseException:
        with held_back():
            for statistic, before in statistics:
                statistic.value[...] = before
        raise
    return result


def loss_error(model: Any, loss: float) -> FloatingPointError:
    """What to raise for a loss that is NaN or infinite."""
    return FloatingPointError(
        f"{model!r}: the loss became {loss} after {model.optimizer.iterations} steps. "
        "Usual causes: a learning rate that is too large "
        f"(now {model.optimizer.learning_rate:g}), or inputs that were never scaled. "
        "The weights are those before this step"
    )
