"""What is minimised: the losses of all outputs as one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tinyconv import losses
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape
from tinyconv.training.batch import Batch
from tinyconv.training.structure import per_output


class ObjectiveResult(NamedTuple):
    """The outcome of one batch; the lists have an entry an output.

    Attributes:
        value: sum of loss weight * loss over the outputs (without penalties).
        values: the losses by themselves, None for an output without one.
        gradients: of `value` by the predictions (or logits), None likewise.
        predictions: of the model, computed from the logits where the loss took those.
    """

    value: float
    values: list[float | None]
    gradients: list[Array | None]
    predictions: list[Array]


class Objective:
    """total = sum over outputs of loss_weight * loss(y, prediction).

    Args:
        owner: named in errors, the model.
        names: of the outputs.
        loss: one for all outputs, a list (None: that output has none), or a dict by name.
        weights: a list or dict of factors; 1 unless given.

    Raises:
        ValueError: for a loss that can't be trained on, or none at all.
    """

    def __init__(self, owner: Any, names: Sequence[str], loss: Any, weights: Any = None) -> None:
        self.owner, self.names = owner, list(names)
        given = per_output(owner, names, loss, "loss", broadcast=True)
        self.losses = [None if each is None else losses.get(each) for each in given]
        if all(each is None for each in self.losses):
            raise ValueError(f"{owner!r}: compile needs a loss, such as 'mse'")
        if any(each is not None and each.reduction in (None, "none") for each in self.losses):
            raise ValueError(f"{owner!r}: a loss to train on needs a reduction. Received: None")
        factors = per_output(owner, names, weights, "loss_weights")
        if not all(isinstance(factor, (int, float, type(None))) for factor in factors):
            raise ValueError(
                f"{owner!r}: loss_weights must be numbers (metrics is the fourth argument of "
                f"compile). Received: {weights!r}"
            )
        self.weights = [1.0 if factor is None else float(factor) for factor in factors]

    def fused(self, activations: Sequence[str]) -> list[bool]:
        """For each output: whether its loss takes over the last activation."""
        return [
            loss is not None and loss.fused_activation == activation != "linear"
            for loss, activation in zip(self.losses, activations, strict=True)
        ]

    def check(self, batch: Batch, shapes: Sequence[Shape]) -> None:
        """Raise ValueError unless targets and weights fit outputs of these shapes."""
        for name, loss, y, weight, shape in zip(
            self.names, self.losses, batch.y, batch.weights, shapes, strict=True
        ):
            if loss is None:
                continue
            if y is None:
                raise ValueError(f"{self.owner!r}: output {name!r} has a loss but no targets")
            shape = (len(y), *shape[1:])
            loss.check_targets(y, shape)
            loss.check_weights(weight, shape[:-1])

    def compute(
        self, batch: Batch, outputs: Sequence[Array], logits: Sequence[bool]
    ) -> ObjectiveResult:
        """The losses of one batch and their gradients.

        Args:
            batch: its targets and weights count.
            outputs: what the model made of its inputs.
            logits: for each output, whether the last activation is left to the loss.
        """
        values: list[float | None] = []
        gradients: list[Array | None] = []
        predictions, total = list(outputs), 0.0
        for index, loss in enumerate(self.losses):
            if loss is None:
                values.append(None)
                gradients.append(None)
                continue
            result = loss.compute(
                batch.y[index], outputs[index], batch.weights[index], from_logits=logits[index]
            )
            factor, gradient = self.weights[index], result.gradient
            total += factor * result.value
            values.append(result.value)
            gradients.append(gradient if factor == 1 else gradient * gradient.dtype.type(factor))
            predictions[index] = result.predictions
        return ObjectiveResult(total, values, gradients, predictions)
