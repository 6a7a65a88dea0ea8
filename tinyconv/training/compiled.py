"""What `compile` chooses: optimizer, losses, metrics, and the buffers they work on."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from tinyconv import losses, optimizers, registry
from tinyconv import metrics as metrics_lib
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape
from tinyconv.layers import BatchNormalization, InputLayer, Rescaling
from tinyconv.layers.base import Cache, Gradients, Layer
from tinyconv.optimizers.buffer import ParameterBuffer
from tinyconv.training.batch import Batch
from tinyconv.training.metric_set import MetricSet
from tinyconv.training.objective import Objective
from tinyconv.training.step import Trained, forward_and_loss, loss_error, train_step
from tinyconv.training.warn import warn_user


class Compiled(Layer):
    """A layer that can be compiled; the part of a model that knows how it is trained."""

    layers: list[Layer]
    optimizer: optimizers.Optimizer | None = None
    objective: Objective | None = None
    compiled = False
    compile_arguments: dict[str, Any]
    _metric_set: MetricSet | None = None
    _buffer: ParameterBuffer | None = None
    _trained: Trained | None = None
    _told_of_softmax = False

    # ---- what training needs of a model ----------------------------------------

    @abstractmethod
    def forward_for_loss(
        self, inputs: list[Array], training: bool, logits: Sequence[bool]
    ) -> tuple[list[Array], Cache]:
        """Outputs and tape; the tape keeps no more than the way back to the lowest trainable
        layer needs, in inference nothing.

        Where `logits` is true the output's last layer leaves its activation to the loss.
        """

    @abstractmethod
    def backward_from_loss(
        self, gradients: list[Array | None], tape: Cache, into: Gradients | None = None
    ) -> Gradients:
        """The gradients of the trained parameters, by path; see `Graph.backward` for `into`."""

    @abstractmethod
    def check_inputs(self, inputs: list[Array]) -> list[Array]:
        """The inputs as arrays, their shapes checked; builds the model if need be."""

    @property
    @abstractmethod
    def input_names(self) -> list[str]:
        """Names of the inputs, in their order."""

    @property
    @abstractmethod
    def output_names(self) -> list[str]:
        """Names of the layers that give the outputs, in their order."""

    @property
    @abstractmethod
    def input_dtypes(self) -> list[str]:
        """The dtypes that the inputs are computed in."""

    @property
    @abstractmethod
    def output_shapes(self) -> list[Shape]:
        """Shapes of the outputs, with the batch; empty while the model is not built."""

    @property
    @abstractmethod
    def final_activations(self) -> list[str]:
        """The activation that each output has gone through last and that a loss may take over."""

    # ---- compile --------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **unsupported: Any,
    ) -> None:
        """Choose how the model is trained.

        With several outputs, loss, loss_weights and metrics are lists in the order of the
        outputs or dicts by their names; one loss is taken for all of them.

        Args:
            optimizer: a name ("adam") or an object of `tinyconv.optimizers`.
            loss: a name ("mse") or an object of `tinyconv.losses`.
            loss_weights: factors of the outputs' losses in the sum that is minimised.
            metrics: a list of names ("accuracy") or objects of `tinyconv.metrics`.
            weighted_metrics: the same, with the samples' weights counted.

        Raises:
            ValueError: for an unknown name, or no loss.
            TypeError: naming an argument that is not supported.
        """
        if unsupported:
            raise registry.unsupported(Compiled.compile, f"{self!r}: compile", unsupported)
        if loss is None:
            raise ValueError(f"{self!r}: compile needs a loss, such as 'mse'")
        chosen = optimizers.get(optimizer)
        objective = Objective(self, self.output_names, loss, loss_weights)
        requests = {"metrics": metrics, "weighted": weighted_metrics}
        MetricSet(objective, [], **requests)  # unknown names are told now, not in fit
        self.optimizer, self.objective, self._requests = chosen, objective, requests
        self.compile_arguments = {
            "optimizer": chosen, "loss": loss, "loss_weights": loss_weights,
            "metrics": metrics, "weighted_metrics": weighted_metrics,
        }  # fmt: skip
        self._metric_set, self._buffer, self._trained, self.compiled = None, None, None, True
        for each, taken, activation in zip(
            objective.losses,
            objective.fused(self.final_activations),
            self.final_activations,
            strict=True,
        ):
            if taken and each is not None and getattr(each, "from_logits", False):
                warnings.warn(
                    f"{self!r}: the loss {each.name} has from_logits=True, but the model ends "
                    f"with {activation}; the loss takes the logits before it, as in Keras",
                    stacklevel=2,
                )
        self._told_of_softmax = False
        self._warn_of_softmax()

    def _warn_of_softmax(self) -> None:
        """Tell once, when the shapes are known, that a softmax has nothing to choose from."""
        for activation, shape in zip(self.final_activations, self.output_shapes, strict=False):
            if activation == "softmax" and shape[-1] == 1 and not self._told_of_softmax:
                self._told_of_softmax = True
                warn_user(
                    f"{self!r}: the model ends with a softmax over one value, which is always 1: "
                    "nothing can be learnt. For one output take activation='sigmoid'"
                )

    @property
    def loss(self) -> losses.Loss | list[losses.Loss | None] | None:
        """The loss, or one an output; None before `compile`."""
        if self.objective is None:
            return None
        each = self.objective.losses
        return each[0] if len(each) == 1 else each

    # ---- metrics --------------------------------------------------------------

    @property
    def metric_set(self) -> MetricSet:
        """The running means; which accuracy is meant depends on the outputs' shapes."""
        assert self.objective is not None
        if self._metric_set is None:
            made = MetricSet(self.objective, self.output_shapes, **self._requests)
            if not self.built:
                return made
            self._metric_set = made
        return self._metric_set

    @property
    def metrics(self) -> list[metrics_lib.Metric]:
        """The mean loss (and those of the outputs) and the metrics."""
        return self.metric_set.all if self.compiled else []

    @property
    def metrics_names(self) -> list[str]:
        """Their names, in the order that `evaluate` returns them."""
        return [metric.name for metric in self.metrics]

    def reset_metrics(self) -> None:
        """Start all running means anew."""
        for metric in self.metrics:
            metric.reset_state()

    # ---- one batch ------------------------------------------------------------

    def _require_compiled(self, method: str) -> Objective:
        """Raise RuntimeError before `compile`."""
        if not self.compiled or self.objective is None:
            raise RuntimeError(f"{self!r}: call compile(optimizer, loss) before {method}")
        return self.objective

    def _accept(self, method: str, batch: Batch) -> None:
        """Check a batch, or all data at once, against the model and its losses.

        It builds the model if need be, and changes nothing unless all fits.

        Raises:
            RuntimeError: before `compile`.
            ValueError: for data that do not fit.
        """
        objective = self._require_compiled(method)
        fresh = not self.built
        self.check_inputs(batch.x)
        try:
            objective.check(batch, self.output_shapes)
            self.metric_set.check(batch, self.output_shapes)
        except ValueError:
            if fresh:
                self.unbuild()  # the next data may be of another shape
            raise

    def _begin_training(self) -> None:
        """Make ready for `_train_batch`: call it once before the first of a run of steps."""
        assert self.optimizer is not None
        self._warn_of_softmax()
        buffer = self._parameters()
        self.optimizer.accept(self.trainable_weights)
        self._trained = Trained(self, buffer)

    def _train_batch(self, batch: Batch, frozen: Any = None) -> dict[str, float]:
        """One training step, by the model or its `CachedBase`; the running means with it."""
        trained = self._trained
        assert trained is not None

        def step(batch: Batch) -> None:
            self.metric_set.add(train_step(frozen or self, trained, batch), batch)

        return get_backend().run_step(self, step, batch, recordable=frozen is None)

    def _test_batch(
        self, batch: Batch, frozen: Any = None, penalties: list[Any] | None = None
    ) -> dict[str, float]:
        """The running means with one batch more, in inference mode; see `forward_and_loss`."""

        def step(batch: Batch) -> None:
            result, _ = forward_and_loss(frozen or self, batch, False, penalties)
            self.metric_set.add(result, batch)

        return get_backend().run_step(self, step, batch, recordable=False)

    def _predict_batch(self, inputs: list[Array]) -> list[Array]:
        """The outputs as NumPy arrays."""

        def predict(inputs: list[Array]) -> list[Array]:
            outputs, _ = self.forward_for_loss(inputs, False, [False] * len(self.output_names))
            return [get_backend().to_numpy(output) for output in outputs]

        return get_backend().run_prediction(self, predict, inputs)

    def loss_error(self, loss: float) -> FloatingPointError:
        """What to raise for a loss that is NaN or infinite."""
        return loss_error(self, loss)

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
        first = next((each for each in self.layers if not isinstance(each, InputLayer)), None)
        if isinstance(first, Compiled):
            return first._scales_inputs()
        return isinstance(first, (Rescaling, BatchNormalization))
