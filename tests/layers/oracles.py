"""What every layer should return, in float64, from its arguments and weights.

The loops of tests/reference do the arithmetic; what a layer adds to them (its arguments,
a bias, an activation, axes moved about) is said once more here, without calling the layer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests import reference
from tests.layers.cases import Case, every, nested_network
from tinyconv import Sequential, activations, geometry, layers
from tinyconv.layers import Layer

Weights = dict[str, np.ndarray]


def expected(case: Case, layer: Layer, x: Any) -> np.ndarray:
    """The output of the case's layer for x."""
    if isinstance(layer, Sequential):
        return through(layer, x, case.training)
    return of(layer, x, case.training, **case.arguments)


def of(layer: Layer, x: Any, training: bool, **arguments: Any) -> np.ndarray:
    weights = {weight.name: np.float64(weight.value) for weight in layer.weights}
    oracle = ORACLES[type(layer)]
    return oracle(every(np.float64, x), weights, training=training, **arguments)


def through(model: Sequential, x: np.ndarray, training: bool) -> np.ndarray:
    """One layer after the other, their arguments taken from their attributes."""
    for layer in model.layers:
        if isinstance(layer, Sequential):
            x = through(layer, x, training)
        else:
            arguments = {name: getattr(layer, name) for name in type(layer).config_keys}
            x = of(layer, x, training, **arguments)
    return x


def activate(z: np.ndarray, activation: Any) -> np.ndarray:
    return reference.activate(z, activations.get(activation))


def both(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def conv2d(x, weights: Weights, kernel_size, activation=None, **arguments: Any) -> np.ndarray:
    window = slide(x, kernel_size, arguments)
    z = reference.conv2d(x, weights["kernel"], window, arguments.get("groups", 1))
    return activate(z + weights.get("bias", 0), activation)


def slide(x: np.ndarray, size: Any, arguments: dict[str, Any]) -> geometry.Window:
    strides = arguments.get("strides", 1)
    return geometry.slide(
        x.shape[1:3],
        both(size),
        both(size if strides is None else strides),
        arguments.get("padding", "valid"),
        both(arguments.get("dilation_rate", 1)),
    )


def dense(x, weights: Weights, activation=None, **_: Any) -> np.ndarray:
    z = np.zeros((*x.shape[:-1], weights["kernel"].shape[1]))
    for c, row in enumerate(weights["kernel"]):
        z += x[..., c, None] * row
    return activate(z + weights.get("bias", 0), activation)


def max_pool(x, _: Weights, pool_size, **arguments: Any) -> np.ndarray:
    return reference.max_pool(x, slide(x, pool_size, arguments))[0]


def average_pool(x, _: Weights, pool_size, **arguments: Any) -> np.ndarray:
    return reference.average_pool(x, slide(x, pool_size, arguments))


def global_pool(reduce: Callable[[list[float]], float]) -> Callable[..., np.ndarray]:
    def oracle(x, _: Weights, keepdims: bool = False, **__: Any) -> np.ndarray:
        N, _, _, C = x.shape
        y = [[reduce(x[n, :, :, c].ravel().tolist()) for c in range(C)] for n in range(N)]
        return np.reshape(y, (N, 1, 1, C) if keepdims else (N, C))

    return oracle


def batch_norm(x, weights: Weights, training, trainable=True, epsilon=1e-3, **_: Any):
    gamma = weights.get("gamma", np.ones(x.shape[-1]))
    beta = weights.get("beta", np.zeros(x.shape[-1]))
    if training and trainable:
        return reference.batch_norm(x, gamma, beta, epsilon)[0]
    moving = weights["moving_mean"], weights["moving_variance"]
    return reference.normalize(x, gamma, beta, *moving, epsilon)


def relu(x, _: Weights, threshold=0.0, max_value=None, negative_slope=0.0, **__: Any):
    above = x if max_value is None else np.minimum(x, max_value)
    return np.where(x > threshold, above, negative_slope * (x - threshold))


def softmax(x, _: Weights, axis=-1, **__: Any) -> np.ndarray:
    return np.apply_along_axis(lambda row: activate(row, "softmax"), axis, x)


def reshape(x, _: Weights, target_shape, **__: Any) -> np.ndarray:
    return x.reshape(len(x), *target_shape)


def pad(x, _: Weights, padding, **__: Any) -> np.ndarray:
    (top, bottom), (left, right) = (both(side) for side in both(padding))
    N, H, W, C = x.shape
    y = np.zeros((N, top + H + bottom, left + W + right, C))
    y[:, top : top + H, left : left + W] = x
    return y


ORACLES: dict[Callable[..., Layer], Callable[..., np.ndarray]] = {
    layers.Activation: lambda x, _, activation, **__: activate(x, activation),
    layers.Add: lambda x, _, **__: reference.add(x),
    layers.AveragePooling2D: average_pool,
    layers.BatchNormalization: batch_norm,
    layers.Concatenate: lambda x, _, axis=-1, **__: reference.concatenate(x, axis),
    layers.Conv2D: conv2d,
    layers.Dense: dense,
    layers.Dropout: lambda x, *_, **__: x,  # of inference; for training see test_dropout.py
    layers.Flatten: lambda x, *_, **__: np.array([sample.ravel() for sample in x]),
    layers.GlobalAveragePooling2D: global_pool(lambda values: sum(values) / len(values)),
    layers.GlobalMaxPooling2D: global_pool(max),
    layers.InputLayer: lambda x, *_, **__: x,
    layers.MaxPooling2D: max_pool,
    layers.ReLU: relu,
    layers.Rescaling: lambda x, _, scale, offset=0.0, **__: x * scale + offset,
    layers.Reshape: reshape,
    layers.Softmax: softmax,
    layers.ZeroPadding2D: pad,
    nested_network: through,
}
