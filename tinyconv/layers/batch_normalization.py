"""Batch normalisation."""

from __future__ import annotations

from typing import Any

from tinyconv import initializers, regularizers
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape
from tinyconv.layers.base import Cache, Gradients, Layer


class BatchNormalization(Layer):
    """y = gamma * (x - mean) / sqrt(variance + epsilon) + beta, channel by channel.

    In training mean and variance (biased) are those of the batch, over all axes but the
    last, and the moving statistics follow them:

        moving = momentum * moving + (1 - momentum) * batch

    In inference, and when the layer is frozen (`trainable = False`), they are the moving
    ones. A training forward pass is the one place where a layer changes its own state.

    A model that only predicts folds the layer into a Conv2D or Dense before it, see
    `tinyconv/models/folding.py`; `tinyconv.config.set_batch_norm_folding(False)` leaves it.

    Args:
        axis: only -1, the last, is supported.
        momentum: weight of the past in the moving statistics.
        epsilon: added to the variance, inside the root.
        center, scale: whether beta and gamma exist.
        beta_initializer, gamma_initializer: initial values of the parameters.
        moving_mean_initializer, moving_variance_initializer: those of the moving statistics.
        beta_regularizer, gamma_regularizer: penalties added to the loss.

    Raises:
        ValueError: for another axis, or a momentum or epsilon out of range.

    Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithms 1 and 2.
    """

    config_keys = (
        "axis", "momentum", "epsilon", "center", "scale", "beta_initializer",
        "gamma_initializer", "moving_mean_initializer", "moving_variance_initializer",
        "beta_regularizer", "gamma_regularizer",
    )  # fmt: skip

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        if not (0 <= momentum <= 1 and epsilon > 0):
            raise ValueError(
                f"{self!r}: momentum must be in [0, 1] and epsilon positive. "
                f"Received: momentum={momentum}, epsilon={epsilon}"
            )
        self.axis, self.momentum, self.epsilon = axis, float(momentum), float(epsilon)
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer = initializers.get(beta_initializer, f"{self!r}: beta_initializer")
        self.gamma_initializer = initializers.get(gamma_initializer, f"{self!r}: gamma_initializer")
        self.moving_mean_initializer = initializers.get(
            moving_mean_initializer, f"{self!r}: moving_mean_initializer"
        )
        self.moving_variance_initializer = initializers.get(
            moving_variance_initializer, f"{self!r}: moving_variance_initializer"
        )
        self.beta_regularizer = regularizers.get(beta_regularizer, f"{self!r}: beta_regularizer")
        self.gamma_regularizer = regularizers.get(gamma_regularizer, f"{self!r}: gamma_regularizer")

    def build(self, input_shape: Shape) -> None:
        """gamma, beta, moving_mean, moving_variance, each (C,)."""
        channels = input_shape[-1]
        # Keras' own files write the last axis as its number: 3 for images.
        if channels is None or self.axis not in (-1, len(input_shape) - 1):
            raise ValueError(
                f"{self!r}: axis must be the last, and of known length. "
                f"Received: axis={self.axis}, shape {tuple(input_shape)}"
            )
        self.channels, shape = channels, (channels,)
        if self.scale:
            self.add_weight("gamma", shape, self.gamma_initializer, self.gamma_regularizer)
        if self.center:
            self.add_weight("beta", shape, self.beta_initializer, self.beta_regularizer)
        self.add_weight("moving_mean", shape, self.moving_mean_initializer, trainable=False)
        self.add_weight("moving_variance", shape, self.moving_variance_initializer, trainable=False)

    def constant(self, training: bool) -> bool:
        """Where it takes the moving statistics."""
        return not (training and self.trainable)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Cache]:
        """x^ = (x - mean) / sqrt(variance + epsilon),  y = gamma * x^ + beta."""
        backend, x = get_backend(), self.prepare(x)
        gamma, beta = self.gamma_beta()
        by_batch = not self.constant(training)
        if by_batch:
            y, mean, variance = backend.batch_norm(x, gamma, beta, self.epsilon)
            self.follow(mean, variance)
        else:
            # Copies: the cache must not follow the moving statistics.
            mean = self.state["moving_mean"].copy()
            variance = self.state["moving_variance"].copy()
            y = backend.normalize(x, gamma, beta, mean, variance, self.epsilon)
        return y, Cache(self, y.shape, x=x, mean=mean, variance=variance, by_batch=by_batch)

    def follow(self, mean: Array, variance: Array) -> None:
        """moving = momentum * moving + (1 - momentum) * batch."""
        for key, batch in (("moving_mean", mean), ("moving_variance", variance)):
            moving = self.state[key]
            moving *= self.momentum
            moving += (1 - self.momentum) * batch

    def backward(self, dy: Array, cache: Cache) -> tuple[Array, Gradients]:
        """dgamma = sum of dy * x^,  dbeta = sum of dy, over all axes but the last;

        dx = gamma / s * (dy - mean(dy) - x^ * mean(dy * x^)) with s = sqrt(variance + epsilon),
        or gamma / s * dy where the statistics were constants.
        """
        dy = self.check_backward(dy, cache)
        backend, gamma = get_backend(), self.gamma_beta()[0]
        backward = backend.batch_norm_backward if cache.by_batch else backend.normalize_backward
        dx, dgamma, dbeta = backward(dy, cache.x, gamma, cache.mean, cache.variance, self.epsilon)
        grads = {"gamma": dgamma, "beta": dbeta}
        return dx, {key: grads[key] for key in self.params}

    def backward_input(self, dy: Array, cache: Cache) -> Array:
        """dx alone: with constant statistics that of the map y, without its shift, at dy."""
        if cache.by_batch:
            return self.backward(dy, cache)[0]
        dy, gamma = self.check_backward(dy, cache), self.gamma_beta()[0]
        zero = get_backend().xp.zeros_like(gamma)
        return get_backend().normalize(dy, gamma, zero, zero, cache.variance, self.epsilon)

    def gamma_beta(self) -> tuple[Array, Array]:
        """Both, 1 and 0 where the layer has none."""
        xp, shape = get_backend().xp, self.state["moving_mean"].shape
        gamma = self.params["gamma"] if self.scale else xp.ones(shape, self.dtype)
        beta = self.params["beta"] if self.center else xp.zeros(shape, self.dtype)
        return gamma, beta
