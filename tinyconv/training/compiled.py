"""What `compile` chooses: optimizer, loss, metrics, and the buffers they work on."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from tinyconv import losses, optimizers, registry
from tinyconv import metrics as metrics_lib
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape
from tinyconv.layers import BatchNormalization, Rescaling
from tinyconv.layers.base import Cache, Layer
from tinyconv.layers.variable import Variable
from tinyconv.optimizers.buffer import ParameterBuffer
from tinyconv.regularizers import L1L2
from tinyconv.training.arrays import ArrayData
from tinyconv.training.step import fused


class Compiled(Layer):
    """A layer that can be compiled; the part of a model that knows how it is trained."""

    layers: list[Layer]
    output_shape: Shape  # with the batch, once built
    optimizer: optimizers.Optimizer | None = None
    loss: losses.Loss | None = None
    compiled = False
    _buffer: ParameterBuffer | None = None

    # ---- what training needs of a model ----------------------------------------

    @abstractmethod
    def forward_for_loss(self, x: Array, training: bool, logits: bool) -> tuple[Array, Cache]:
        """`forward` keeping no more than the step needs: in inference nothing, in training
        the caches from the first trainable layer on.

        With `logits` the last layer leaves its activation to the loss.
        """

    @property
    @abstractmethod
    def input_dtype(self) -> str:
        """The dtype that the first layer computes in."""

    @property
    def regularized(self) -> list[tuple[Variable, L1L2]]:
        """The trained variables that carry a penalty, with the penalty."""
        return [
            (weight, weight.layer.regularizers[weight.name])
            for weight in self.trainable_weights
            if weight.name in weight.layer.regularizers
        ]

    # ---- compile --------------------------------------------------------------

    def compile(
        self, optimizer: Any = "rmsprop", loss: Any = None, metrics: Any = None, **unsupported: Any
    ) -> None:
        """Choose how the model is trained.

        Args:
            optimizer: a name ("adam") or an object of `tinyconv.optimizers`.
            loss: a name ("mse") or an object of `tinyconv.losses`.
            metrics: a list of names ("accuracy") or objects of `tinyconv.metrics`.

        Raises:
            ValueError: for an unknown name, or no loss.
            TypeError: naming an argument that is not supported.
        """
        if unsupported:
            raise registry.unsupported(Compiled.compile, f"{self!r}: compile", unsupported)
        if loss is None:
            raise ValueError(f"{self!r}: compile needs a loss, such as 'mse'")
        new_optimizer, new_loss = optimizers.get(optimizer), losses.get(loss)
        if new_loss.reduction in (None, "none"):
            raise ValueError(f"{self!r}: a loss to train on needs a reduction. Received: None")
        one = isinstance(metrics, (str, metrics_lib.Metric))
        requests = [metrics] if one else list(metrics or ())
        _resolve(requests, new_loss, None)  # unknown names are told now, not in fit
        self.optimizer, self.loss, self._metric_requests = new_optimizer, new_loss, requests
        self._loss_mean: metrics_lib.Mean = metrics_lib.Mean("loss")
        self._metrics: list[metrics_lib.Metric] | None = None
        self._buffer, self.compiled = None, True
        if getattr(new_loss, "from_logits", False) and fused(new_loss, self):
            warnings.warn(
                f"{self!r}: the loss {new_loss.name} has from_logits=True, but the model ends with "
                f"{self.final_activation}; the loss takes the logits before it, as in Keras",
                stacklevel=2,
            )

    @property
    def metrics(self) -> list[metrics_lib.Metric]:
        """The mean loss and the metrics."""
        if not self.compiled:
            return []
        if self._metrics is None:
            outputs = self.output_shape[-1] if self.built else None
            self._metrics = _resolve(self._metric_requests, self.loss, outputs)
        return [self._loss_mean, *self._metrics]

    @property
    def metrics_names(self) -> list[str]:
        """Their names, in the order that `evaluate` returns them."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Start all running means anew."""
        for metric in self.metrics:
            metric.reset_state()

    def _update_metrics(self, result: losses.LossResult, y: Any) -> dict[str, float]:
        """All running means with one batch more, by name."""
        mean, *others = self.metrics
        mean.update_state(result.value, len(result.predictions))
        for metric in others:
            metric.update_state(y, result.predictions)
        return {metric.name: metric.result() for metric in (mean, *others)}

    # ---- ready to train -------------------------------------------------------

    def _data(
        self,
        method: str,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
        batch_size: int | None = None,
    ) -> ArrayData:
        """The arrays, checked against this model and its loss before anything changes.

        Raises:
            RuntimeError: before `compile`.
            ValueError: for data that do not fit.
        """
        if not self.compiled or self.loss is None:
            raise RuntimeError(f"{self!r}: call compile(optimizer, loss) before {method}")
        if y is None:
            raise ValueError(f"{self!r}: {method} needs targets y")
        data = ArrayData(self, x, y, sample_weight, class_weight, batch_size, self.input_dtype)
        fresh = not self.built
        self.prepare(data.x)
        outputs = (len(data.x), *self.output_shape[1:])
        assert data.y is not None
        try:
            self.loss.check_targets(data.y, outputs)
            self.loss.check_weights(data.weights, outputs[:-1])
        except ValueError:
            if fresh:
                self.unbuild()  # the next data may be of another shape
            raise
        return data

    def _parameters(self) -> ParameterBuffer:
        """All trainable weights in one flat array, made when training starts.

        Raises:
            ValueError: if there is nothing to train, or if layers were frozen or unfrozen
                after training began.
        """
        variables = self.trainable_weights
        if not variables:
            raise ValueError(f"{self!r}: no layer is trainable")
        if self._buffer is not None and self._buffer.paths != [v.path for v in variables]:
            raise ValueError(
                f"{self!r}: layers were frozen or unfrozen since training began; "
                "call compile again with a new optimizer"
            )
        if self._buffer is None or not self._buffer.holds(variables):
            self._buffer = ParameterBuffer(variables)
        return self._buffer

    def _scales_inputs(self) -> bool:
        """Whether the first layer brings pixels to a small range by itself."""
        first = self.layers[0] if self.layers else None
        if isinstance(first, Compiled):
            return first._scales_inputs()
        return isinstance(first, (Rescaling, BatchNormalization))


def _resolve(
    requests: Sequence[Any], loss: losses.Loss | None, outputs: int | None
) -> list[metrics_lib.Metric]:
    """The metric objects for names and objects."""
    return [metrics_lib.get(request, loss, outputs) for request in requests]
