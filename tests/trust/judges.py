"""What a configuration should give, output and all gradients, by the loops of tests/reference.

The forward pass of a layer is that of tests/layers/oracles.py; its way back is here. Several
layers in a chain are gone through one after the other, and back in reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.case import Results
from parity.sides.base import cotangent, numbered
from tests import reference
from tests.layers import oracles
from tests.layers.cases import every
from tinyconv import activations, layers
from tinyconv.layers import Layer

Back = tuple[Any, dict[str, np.ndarray]]


def judge(chain: Sequence[tuple[Layer, dict[str, Any]]], x: Any, training: bool) -> Results:
    """ "output", "dx", gradients and moving statistics, named as `Side.layer` names them.

    Args:
        chain: each layer, built, of which only the weights are read, and its arguments.
    """
    inputs, x = [], every(np.float64, x)
    for layer, arguments in chain:
        inputs.append(x)
        x = oracles.of(layer, x, training, **arguments)
    results = {"output": x}
    dy = cotangent(x.shape, chain[-1][0].dtype).astype(np.float64)
    for (layer, arguments), given in zip(reversed(chain), reversed(inputs), strict=True):
        prefix = f"{layer.name}/" if len(chain) > 1 else ""
        dy, found = back(layer, given, dy, training, arguments)
        for name, value in found.items():
            results[prefix + name] = value
    return {**results, **numbered("dx", dy)}


def back(layer: Layer, x: Any, dy: np.ndarray, training: bool, arguments: dict[str, Any]) -> Back:
    """dx, and what a layer has: gradients by name, and statistics after the step."""
    weights = {weight.name: np.float64(weight.value) for weight in layer.weights}
    return _BACK[type(layer)](x, dy, weights, training=training, **arguments)


def _activated(dy: np.ndarray, z: np.ndarray, activation: Any) -> np.ndarray:
    return reference.activate_backward(dy, z, activations.get(activation))


def _biased(dz: np.ndarray, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if "bias" not in weights:
        return {}
    return {"bias": dz.reshape(-1, dz.shape[-1]).sum(axis=0)}


def _conv2d(x, dy, weights, kernel_size, activation=None, groups=1, **arguments: Any) -> Back:
    window = oracles.slide(x, kernel_size, arguments)
    z = reference.conv2d(x, weights["kernel"], window, groups) + weights.get("bias", 0)
    dz = _activated(dy, z, activation)
    dx = reference.conv2d_input_gradient(dz, weights["kernel"], window, groups)
    dkernel = reference.conv2d_kernel_gradient(x, dz, window, groups)
    return dx, {"kernel": dkernel, **_biased(dz, weights)}


def _dense(x, dy, weights, activation=None, **_: Any) -> Back:
    dz = _activated(dy, oracles.dense(x, weights), activation)
    dkernel = np.zeros(weights["kernel"].shape)
    for place in np.ndindex(x.shape[:-1]):
        dkernel += np.outer(x[place], dz[place])
    return oracles.dense(dz, {"kernel": weights["kernel"].T}), {
        "kernel": dkernel, **_biased(dz, weights),
    }  # fmt: skip


def _max_pool(x, dy, _, pool_size, **arguments: Any) -> Back:
    window = oracles.slide(x, pool_size, arguments)
    return reference.max_pool_backward(dy, reference.max_pool(x, window)[1], window), {}


def _average_pool(x, dy, _, pool_size, **arguments: Any) -> Back:
    return reference.average_pool_backward(dy, oracles.slide(x, pool_size, arguments)), {}


def _global_pool(winners: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Back]:
    """Each dy is shared equally by the pixels that `winners` says."""

    def backward(x, dy, _, **__: Any) -> Back:
        dx = np.zeros(x.shape)
        for n, c in np.ndindex(x.shape[0], x.shape[3]):
            wins = winners(x[n, :, :, c])
            dx[n, :, :, c] = wins * dy.reshape(len(x), -1)[n, c] / wins.sum()
        return dx, {}

    return backward


def _batch_norm(
    x, dy, weights, training, trainable=True, epsilon=1e-3, momentum=0.99, **_: Any
) -> Back:
    gamma = weights.get("gamma", np.ones(x.shape[-1]))
    moving = {name: weights[name] for name in ("moving_mean", "moving_variance")}
    if training and trainable:
        dx, dgamma, dbeta = reference.batch_norm_backward(dy, x, gamma, epsilon)
        _, *batch = reference.batch_norm(x, gamma, gamma, epsilon)
        for name, statistic in zip(moving, batch, strict=True):
            moving[name] = momentum * moving[name] + (1 - momentum) * statistic
    else:
        dx, dgamma, dbeta = reference.normalize_backward(dy, x, gamma, *moving.values(), epsilon)
    grads = {"gamma": dgamma, "beta": dbeta}
    return dx, {**{name: grads[name] for name in grads if name in weights}, **moving}


def _relu(x, dy, _, threshold=0.0, max_value=None, negative_slope=0.0, **__: Any) -> Back:
    return _activated(dy, x, activations.rectifier(negative_slope, max_value, threshold)), {}


def _softmax(x, dy, _, axis=-1, **__: Any) -> Back:
    last = (np.moveaxis(array, axis, -1) for array in (dy, x))
    return np.moveaxis(_activated(*last, "softmax"), -1, axis), {}


def _reshaped(x, dy, _, **__: Any) -> Back:
    return dy.reshape(x.shape), {}


def _cropped(x, dy, _, padding, **__: Any) -> Back:
    (top, _), (left, _) = (oracles.both(side) for side in oracles.both(padding))
    return dy[:, top : top + x.shape[1], left : left + x.shape[2]], {}


def _add(x, dy, _, **__: Any) -> Back:
    found = []
    for each in x:
        dx = np.zeros(each.shape)
        for index in np.ndindex(*dy.shape):
            place = map(min, index, (n - 1 for n in each.shape))
            dx[tuple(place)] += dy[index]
        found.append(dx)
    return found, {}


def _concatenate(x, dy, _, axis=-1, **__: Any) -> Back:
    ends = np.cumsum([each.shape[axis] for each in x])
    return np.split(dy, ends[:-1], axis), {}


_BACK: dict[type[Layer], Callable[..., Back]] = {
    layers.Activation: lambda x, dy, _, activation, **__: (_activated(dy, x, activation), {}),
    layers.Add: _add,
    layers.AveragePooling2D: _average_pool,
    layers.BatchNormalization: _batch_norm,
    layers.Concatenate: _concatenate,
    layers.Conv2D: _conv2d,
    layers.Dense: _dense,
    layers.Dropout: lambda x, dy, *_, **__: (dy, {}),  # of inference
    layers.Flatten: _reshaped,
    layers.GlobalAveragePooling2D: _global_pool(np.ones_like),
    layers.GlobalMaxPooling2D: _global_pool(lambda image: image == image.max()),
    layers.InputLayer: _reshaped,
    layers.MaxPooling2D: _max_pool,
    layers.ReLU: _relu,
    layers.Rescaling: lambda x, dy, _, scale, **__: (dy * scale, {}),
    layers.Reshape: _reshaped,
    layers.Softmax: _softmax,
    layers.ZeroPadding2D: _cropped,
}
