"""tf.keras, with the gradients of `tf.GradientTape`.

TensorFlow is imported when the first case is carried out, and told to be reproducible:
no GPU, deterministic operations, and the plain CPU kernels rather than oneDNN's, which
choose their algorithms by the machine they find.

Keras casts the Python floats of a configuration with `tf.cast`, which makes a float32 of them
even on the way to float64: the 0.999 of Adam would then be 0.99900001, and its 1 - 0.999 wrong
in the fifth digit. `_exactly` hands Keras the same numbers as NumPy's float64, which TensorFlow
leaves as they are, so that float64 rows compare float64 arithmetic.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from parity.case import Results
from parity.data import Array
from parity.sides.base import Batch, Side, as_list, cotangent, key, numbered

_THREADS = 2


class Keras(Side):
    """The reference."""

    name = "tf.keras"

    @cached_property
    def tf(self) -> Any:
        """TensorFlow."""
        for variable, value in {
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "CUDA_VISIBLE_DEVICES": "-1",
        }.items():
            os.environ.setdefault(variable, value)
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(_THREADS)
            tf.config.threading.set_inter_op_parallelism_threads(_THREADS)
        except RuntimeError:  # somebody in this process has computed with it already
            pass
        tf.get_logger().setLevel("ERROR")
        tf.config.experimental.enable_op_determinism()
        tf.keras.utils.set_random_seed(0)
        return tf

    @cached_property
    def library(self) -> Any:
        """`keras`, once TensorFlow is set up for it."""
        self.tf  # noqa: B018  (imported first, with its settings)
        import keras

        return keras

    @contextmanager
    def precision(self, dtype: str) -> Iterator[None]:
        config = self.library.config
        before = config.floatx()
        config.set_floatx(dtype)
        self.library.config.set_dtype_policy(dtype)
        try:
            yield
        finally:
            config.set_floatx(before)
            self.library.config.set_dtype_policy(before)

    def build(self, layer: Any, shape: Any) -> None:
        if not layer.built:
            shapes = [(None, *each[1:]) for each in shape] if isinstance(shape, list) else None
            layer.build(shapes or (None, *shape[1:]))

    def layer(self, layer: Any, inputs: Sequence[Any], training: bool) -> Results:
        self._exactly(*layer._flatten_layers())
        for x in inputs[:-1]:
            layer(self._constant(x), training=training)
        parameters = [w for w in layer.weights if not w.name.startswith("moving")]
        with self.tf.GradientTape() as tape:
            x = self._constant(inputs[-1])
            xs = as_list(x)
            watched = [*xs, *(w.value for w in parameters)]  # frozen ones are not watched otherwise
            tape.watch(watched)
            y = layer(x, training=training)
        ys = as_list(y)
        dys = [self.tf.constant(cotangent(tuple(e.shape), e.dtype.name, place))
               for place, e in enumerate(ys)]  # fmt: skip
        found = tape.gradient(ys, watched, output_gradients=dys, unconnected_gradients="zero")
        dx, grads = [_dense(self.tf, each) for each in found[: len(xs)]], found[len(xs) :]
        whole = hasattr(layer, "layers")
        return {
            **numbered("output", [e.numpy() for e in ys] if isinstance(y, list) else y.numpy()),
            **numbered("dx", dx if isinstance(x, list) else dx[0]),
            **{_name(w, whole): grad.numpy() for w, grad in zip(parameters, grads, strict=True)},
            **{_name(w, whole): w.numpy() for w in layer.weights if w.name.startswith("moving")},
        }

    def activation(self, name: str, x: Array, arguments: dict[str, Any]) -> Results:
        function = getattr(self.library.activations, name)
        layer = self.library.layers.Activation(lambda z: function(z, **arguments))
        return self.layer(layer, [x], True)

    def loss(self, loss: Any, y_true: Array, y_pred: Array, weight: Array | None) -> Results:
        with self.tf.GradientTape() as tape:
            p = self.tf.constant(y_pred)
            tape.watch(p)
            value = loss(y_true, p, sample_weight=weight)
        return {"output": value.numpy(), "dx": tape.gradient(value, p).numpy()}

    def metric(self, metric: Any, updates: Sequence[Sequence[Any]]) -> list[float]:
        results = []
        for arguments in updates:
            metric.update_state(*arguments)
            results.append(float(metric.result()))
        return results

    def optimize(
        self, optimizer: Any, start: Sequence[Array], gradients: Sequence[Sequence[Array]]
    ) -> list[Array]:
        self._exactly_optimizing(optimizer)
        variables = [self.library.Variable(value) for value in start]
        for step in gradients:
            optimizer.apply([self.tf.constant(gradient) for gradient in step], variables)
        return [variable.numpy() for variable in variables]

    def rates(self, schedule: Any, steps: Sequence[int]) -> list[float]:
        self._exactly(schedule)
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
        if literally:
            given, identity = loss, self.tf.identity  # a copy that carries no logits with it

            def loss(y_true: Any, y_pred: Any) -> Any:
                return given(y_true, identity(y_pred))

        model.compile(optimizer, loss, metrics=metrics, jit_compile=False, **more)
        self._exactly_training(model)

    def gradients(self, model: Any, batch: Batch) -> Results:
        variables = model.trainable_variables
        with self.tf.GradientTape() as tape:
            x, y, weight = (self._constant(given) for given in batch)
            y_pred = model(x, training=True)
            loss = model.compute_loss(x, y, y_pred, weight, training=True)
        values = [v.value for v in variables]
        grads = tape.gradient(loss, values, unconnected_gradients="zero")
        return {
            "loss": loss.numpy(),
            **numbered(
                "output",
                [e.numpy() for e in y_pred] if isinstance(y_pred, list) else y_pred.numpy(),
            ),
            **{key(v.path): grad.numpy() for v, grad in zip(variables, grads, strict=True)},
            **{key(w.path): w.numpy() for w in model.weights if w.name.startswith("moving")},
        }

    def train(self, model: Any, batches: Sequence[Batch], **options: Any) -> Results:
        losses = []
        for batch in batches:
            model.reset_metrics()
            logs = model.train_on_batch(
                batch.x, batch.y, sample_weight=batch.weight, return_dict=True, **options
            )
            losses.append(float(logs["loss"]))
        return {
            "losses": np.asarray(losses),
            **{key(weight.path): weight.numpy() for weight in model.weights},
        }

    def initialize(self, initializer: Any, shape: tuple[int, ...], dtype: str) -> Array:
        return np.asarray(initializer(shape, dtype))

    def penalty(self, regularizer: Any, w: Array) -> Results:
        self._exactly(regularizer)
        with self.tf.GradientTape() as tape:
            variable = self.tf.constant(w)
            tape.watch(variable)
            value = regularizer(variable)
        return {"output": value.numpy(), "dx": tape.gradient(value, variable).numpy()}

    def _constant(self, given: Any) -> Any:
        """A tensor, or a list of them."""
        if isinstance(given, list):
            return [self._constant(each) for each in given]
        return None if given is None else self.tf.constant(given)

    def _exactly(self, *objects: Any) -> None:
        """Their Python floats as NumPy's float64, in float64; see the module's docstring."""
        if self.library.config.floatx() != "float64":
            return
        for made in objects:
            for name, value in list(vars(made).items()):
                if type(value) is float:
                    setattr(made, name, np.float64(value))
                elif isinstance(value, list) and all(type(item) is float for item in value):
                    setattr(made, name, [np.float64(item) for item in value])

    def _exactly_optimizing(self, optimizer: Any) -> None:
        self._exactly(optimizer)
        schedule = optimizer._learning_rate
        if isinstance(schedule, self.library.optimizers.schedules.LearningRateSchedule):
            self._exactly(schedule)

    def _exactly_training(self, model: Any) -> None:
        self._exactly_optimizing(model.optimizer)
        for layer in model._flatten_layers(include_self=False):
            penalties = [getattr(layer, name, None) for name in _PENALTIES]
            self._exactly(layer, *[penalty for penalty in penalties if penalty is not None])


_PENALTIES = ("kernel_regularizer", "bias_regularizer", "gamma_regularizer", "beta_regularizer")


def _name(weight: Any, whole: bool) -> str:
    """ "kernel" in a layer, "layer/kernel" in a model."""
    return key(weight.path) if whole else weight.name


def _dense(tf: Any, gradient: Any) -> Array:
    return np.asarray(tf.convert_to_tensor(gradient))
