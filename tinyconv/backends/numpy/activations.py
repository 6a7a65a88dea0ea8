"""Activations with their derivatives, the textbook version.

`saved` is the output y wherever the derivative can be written in terms of y,
else the input z (see NEED_INPUT in backends/values.py): y has to be kept for the
next layer anyway, so nothing extra stays in memory.
"""

from __future__ import annotations

import math

import numpy as np

from tinyconv.backends.base import NEED_INPUT, Activation, Array, Backend
from tinyconv.backends.numpy.reduction import channel_sum

_SQRT_2 = math.sqrt(2.0)
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)
_GELU_CUBIC = 0.044715


class Activations(Backend):
    def activate(
        self, z: Array, bias: Array | None, activation: Activation, overwrite: bool = False
    ) -> tuple[Array, Array]:
        """y = f(z + bias)."""
        z = z if bias is None else z + bias
        y = _value(z, activation)
        return y, z if activation.name in NEED_INPUT else y

    def activate_backward(
        self, dy: Array, saved: Array, activation: Activation, with_bias: bool
    ) -> tuple[Array, Array | None]:
        """dz = dy * f'(z); every pixel adds the same bias, so dbias = sum of dz."""
        if activation.name == "softmax":
            # dy_k/dz_j = y_k (delta_kj - y_j)  =>  dz = y * (dy - sum_k dy_k y_k)
            dz = saved * (dy - (dy * saved).sum(axis=-1, keepdims=True))
        else:
            dz = dy * _derivative(saved, activation)
        return dz, channel_sum(dz) if with_bias else None


def _value(z: Array, activation: Activation) -> Array:
    name, alpha, threshold, max_value = activation
    if name == "linear":
        return z
    if name == "relu":
        return np.maximum(z, 0)
    if name == "leaky_relu":
        return np.where(z > 0, z, alpha * z)
    if name == "clipped_relu":
        # Without a slope what is below is 0 also for -inf, where 0 * -inf would be NaN.
        below = alpha * (z - threshold) if alpha else np.where(np.isnan(z), z, z.dtype.type(0))
        return np.minimum(np.where(z > threshold, z, below), max_value)
    if name == "sigmoid":
        return sigmoid(z)
    if name == "tanh":
        return np.tanh(z)
    if name == "softmax":
        return softmax(z)
    if name == "elu":
        return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))
    if name == "gelu":
        return z * _normal_cdf(z)
    if name == "gelu_tanh":
        return 0.5 * z * (1 + np.tanh(_gelu_inner(z)))
    raise ValueError(f"unknown activation {name!r}")


def _derivative(saved: Array, activation: Activation) -> Array:
    """f'(z), from y (most) or from z (the names in NEED_INPUT); 0 at the kink of relu."""
    name, alpha, threshold, max_value = activation
    one = saved.dtype.type(1)
    if name == "linear":
        return one
    if name == "relu":
        return (saved > 0).astype(saved.dtype)
    if name == "leaky_relu":
        return np.where(saved > 0, one, saved.dtype.type(alpha))
    if name == "clipped_relu":  # at the kinks as in Keras: 0 at the threshold, 1 at the ceiling
        relu6 = max_value == 6 and threshold == 0  # TensorFlow's own, which is flat at 6
        rising = saved < max_value if relu6 else saved <= max_value
        slope = np.where(saved > threshold, rising, alpha * (saved < threshold))
        return slope.astype(saved.dtype)
    if name == "sigmoid":
        return saved * (1 - saved)
    if name == "tanh":
        return 1 - saved * saved
    if name == "elu":  # alpha e^z = y + alpha for z <= 0
        return np.where(saved > 0, one, saved + alpha)
    if name == "gelu":  # (z Phi(z))' = Phi(z) + z phi(z)
        density = np.exp(-0.5 * saved * saved) / math.sqrt(2 * math.pi)
        return _normal_cdf(saved) + saved * density
    if name == "gelu_tanh":
        t = np.tanh(_gelu_inner(saved))
        inner = _SQRT_2_OVER_PI * (1 + 3 * _GELU_CUBIC * saved * saved)
        return 0.5 * (1 + t) + 0.5 * saved * (1 - t * t) * inner
    raise ValueError(f"unknown activation {name!r}")


def sigmoid(z: Array) -> Array:
    """1 / (1 + e^-z), written with e^-|z| so that nothing overflows."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def softmax(z: Array) -> Array:
    """e^z / sum e^z over the last axis; subtracting the maximum changes nothing but overflow."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _normal_cdf(z: Array) -> Array:
    """Phi(z) = (1 + erf(z / sqrt 2)) / 2; NumPy has no erf, so element by element."""
    erf = np.vectorize(math.erf, otypes=[z.dtype])
    return np.asarray(0.5 * (1 + erf(z / _SQRT_2)), z.dtype)


def _gelu_inner(z: Array) -> Array:
    return _SQRT_2_OVER_PI * (z + _GELU_CUBIC * z**3)
