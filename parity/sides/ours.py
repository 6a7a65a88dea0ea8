"""tinyconv, on one of its backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import tinyconv
from parity.case import Results
from parity.data import Array
from parity.sides.base import Batch, Side, as_list, cotangent, key, numbered
from tinyconv import activations
from tinyconv.backends import get_backend
from tinyconv.backends.base import Activation
from tinyconv.optimizers.buffer import ParameterBuffer
from tinyconv.training import batch as training
from tinyconv.training.step import forward_and_loss, regularized

# What `activations.name(x, **arguments)` is called inside a layer, whose backward is tested.
_INSIDE: dict[str, Callable[..., Activation]] = {
    "relu": activations.rectifier,
    "leaky_relu": lambda negative_slope=0.2: Activation("leaky_relu", negative_slope),
    "elu": lambda alpha=1.0: Activation("elu", alpha),
    "gelu": lambda approximate=False: Activation("gelu_tanh" if approximate else "gelu"),
}


class _Variable:
    """A parameter that belongs to no layer, for an optimizer to move."""

    def __init__(self, path: str, value: Array) -> None:
        self.path, self.value = path, value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> str:
        return str(self.value.dtype)


class Tinyconv(Side):
    """Forward and backward by hand."""

    library = tinyconv

    def __init__(self, backend: str) -> None:
        self.name = backend

    @contextmanager
    def precision(self, dtype: str) -> Iterator[None]:
        before = tinyconv.config.floatx()
        tinyconv.config.set_floatx(dtype)
        try:
            # One thread: TensorFlow's wait in this process for work, and products are small here.
            with threadpool_limits(1, user_api="blas"), tinyconv.use_backend(self.name):
                yield
        finally:
            tinyconv.config.set_floatx(before)

    def build(self, layer: Any, shape: Any) -> None:
        shapes = [(None, *each[1:]) for each in shape] if isinstance(shape, list) else None
        layer.ensure_built(shapes or (None, *shape[1:]))

    def layer(self, layer: Any, inputs: Sequence[Any], training: bool) -> Results:
        for x in inputs:
            y, cache = layer.forward(x, training)
        dys = [cotangent(e.shape, str(e.dtype), place) for place, e in enumerate(as_list(y))]
        dx, grads = layer.backward(dys if isinstance(y, list) else dys[0], cache)
        if isinstance(x, list):  # None: no output depends on this input
            dx = [np.zeros_like(e) if d is None else d for e, d in zip(x, dx, strict=True)]
        results = {**numbered("output", y), **numbered("dx", dx)}
        return _on_host({**results, **_by_key(grads), **_statistics(layer)})

    def activation(self, name: str, x: Array, arguments: dict[str, Any]) -> Results:
        function = getattr(activations, name)
        inside = _INSIDE[name](**arguments) if name in _INSIDE else name
        results = self.layer(tinyconv.layers.Activation(inside), [x], True)
        return {**results, **_on_host({"output": function(x, **arguments)})}

    def loss(self, loss: Any, y_true: Array, y_pred: Array, weight: Array | None) -> Results:
        result = loss.compute(y_true, y_pred, weight)
        value = np.asarray(result.value, y_pred.dtype)
        return _on_host({"output": value, "dx": result.gradient})

    def metric(self, metric: Any, updates: Sequence[Sequence[Any]]) -> list[float]:
        results = []
        for arguments in updates:
            metric.update_state(*arguments)
            results.append(metric.result())
        return results

    def optimize(
        self, optimizer: Any, start: Sequence[Array], gradients: Sequence[Sequence[Array]]
    ) -> list[Array]:
        backend = get_backend()
        variables = [
            _Variable(str(place), backend.asarray(value).copy())
            for place, value in enumerate(start)
        ]
        buffer = ParameterBuffer(variables)
        for step in gradients:
            buffer.collect({str(i): backend.asarray(gradient) for i, gradient in enumerate(step)})
            optimizer.apply(buffer)
        return [backend.to_numpy(variable.value).copy() for variable in variables]

    def rates(self, schedule: Any, steps: Sequence[int]) -> list[float]:
        return [float(schedule(step)) for step in steps]

    def compile(
        self,
        model: Any,
        optimizer: Any,
        loss: Any,
        metrics: Any = None,
        literally: bool = False,
        **more: Any,
    ) -> None:
        model.compile(optimizer, loss, metrics=metrics, **more)

    def gradients(self, model: Any, batch: Batch) -> Results:
        y = as_list(batch.y)
        weights = [None] * len(y) if batch.weight is None else as_list(batch.weight)
        lists = training.Batch(as_list(batch.x), y, weights)
        result, tape = forward_and_loss(model, lists, training=True)
        grads = model.backward_from_loss(result.gradients, tape)
        for variable, penalty in regularized(model):
            grads[variable.path] = grads[variable.path] + penalty.gradient(variable.value)
        trained = {w.path: grads[w.path] for w in model.trainable_weights}
        loss = np.asarray(result.value, lists.x[0].dtype)
        predictions = result.predictions
        outputs = numbered("output", predictions if isinstance(batch.y, list) else predictions[0])
        return _on_host({"loss": loss, **outputs, **_by_key(trained), **_statistics(model)})

    def train(self, model: Any, batches: Sequence[Batch], **options: Any) -> Results:
        losses = []
        for batch in batches:
            model.reset_metrics()
            logs = model.train_on_batch(
                batch.x, batch.y, sample_weight=batch.weight, return_dict=True, **options
            )
            losses.append(logs["loss"])
        weights = {key(weight.path): weight.numpy() for weight in model.weights}
        return {"losses": np.asarray(losses), **weights}

    def initialize(self, initializer: Any, shape: tuple[int, ...], dtype: str) -> Array:
        return np.asarray(initializer(shape, dtype))

    def penalty(self, regularizer: Any, w: Array) -> Results:
        return {"output": np.asarray(regularizer(w), w.dtype), "dx": regularizer.gradient(w)}


def _by_key(grads: dict[str, Array]) -> Results:
    return {key(path): gradient for path, gradient in grads.items()}


def _statistics(layer: Any) -> Results:
    """By name in a layer, by path in a model, as the gradients are."""
    whole = hasattr(layer, "layers")
    return {
        key(w.path) if whole else w.name: w.numpy()
        for w in layer.weights
        if w.name.startswith("moving")
    }


def _on_host(results: Results) -> Results:
    """NumPy arrays, wherever they were computed."""
    return {name: get_backend().to_numpy(value) for name, value in results.items()}
