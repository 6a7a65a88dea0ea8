"""Turns of a single layer, forward and backward: by tinyconv, by Keras and by PyTorch."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contender import Turn
from benchmarks.convolution import repeated


class Family(NamedTuple):
    """A layer of each kind.

    Attributes:
        layer: its class, in Keras' words.
        arguments: of its constructor.
        shape: of an input, without the batch.
        inputs: how many it takes.
    """

    layer: str
    arguments: dict[str, Any]
    shape: tuple[int, ...]
    inputs: int = 1


IMAGES = (56, 56, 64)
FAMILIES = {
    "Conv2D 3x3 + ReLU": Family(
        "Conv2D", {"filters": 64, "kernel_size": 3, "padding": "same", "activation": "relu"},
        (28, 28, 64),
    ),
    "Conv2D 1x1": Family("Conv2D", {"filters": 64, "kernel_size": 1}, IMAGES),
    "Dense + ReLU": Family("Dense", {"units": 128, "activation": "relu"}, (3136,)),
    "MaxPooling2D 2x2": Family("MaxPooling2D", {"pool_size": 2}, IMAGES),
    "MaxPooling2D 3x3 /2": Family("MaxPooling2D", {"pool_size": 3, "strides": 2}, IMAGES),
    "AveragePooling2D 2x2": Family("AveragePooling2D", {"pool_size": 2}, IMAGES),
    "GlobalAveragePooling2D": Family("GlobalAveragePooling2D", {}, IMAGES),
    "GlobalMaxPooling2D": Family("GlobalMaxPooling2D", {}, IMAGES),
    "BatchNormalization": Family("BatchNormalization", {}, IMAGES),
    "Dropout": Family("Dropout", {"rate": 0.5}, IMAGES),
    "ReLU": Family("ReLU", {}, IMAGES),
    "gelu": Family("Activation", {"activation": "gelu"}, IMAGES),
    "Softmax": Family("Softmax", {}, (1000,)),
    "ZeroPadding2D": Family("ZeroPadding2D", {"padding": 1}, IMAGES),
    "Rescaling": Family("Rescaling", {"scale": 1 / 255}, IMAGES),
    "Add": Family("Add", {}, IMAGES, 2),
    "Concatenate": Family("Concatenate", {}, IMAGES, 2),
}  # fmt: skip

# Ways that may be the fastest, by who has them.
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "tf.keras": {"graph": {"jit_compile": False}, "XLA": {"jit_compile": True}},
    "torch": {
        "plain": {},
        **({"torch.compile": {"compiled": True}} if shutil.which("c++") else {}),
    },
}


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """The same random ones for everybody, float32 from -1/2 to 1/2."""
    return np.random.default_rng(seed).random(shape, np.float32) - np.float32(0.5)


def by_keras_words(
    library: str, family: str, batch: int, least: float, jit_compile: bool = False
) -> Turn:
    """By "tinyconv" or by "keras", the latter with TensorFlow."""
    call = tinyconv_call(family, batch)
    if library == "keras":
        call = keras_call(family, batch, jit_compile)
    return repeated(call, least)


def by_torch(family: str, batch: int, least: float, compiled: bool = False) -> Turn:
    """By PyTorch."""
    return repeated(torch_call(family, batch, compiled), least)


def tinyconv_call(family: str, batch: int) -> Callable[[], list[Any]]:
    """It returns y, the gradient of each input, those of the parameters in their order."""
    spec = FAMILIES[family]
    layer, inputs = _made("tinyconv", spec, batch)
    x = inputs if spec.inputs > 1 else inputs[0]
    y, _ = layer.forward(x, training=True)
    dy = numbers(*y.shape, seed=9)

    def call() -> list[Any]:
        y, cache = layer.forward(x, training=True)
        dx, gradients = layer.backward(dy, cache)
        return [y, *(dx if spec.inputs > 1 else [dx]), *gradients.values()]

    return call


def keras_call(family: str, batch: int, jit_compile: bool = False) -> Callable[[], list[Any]]:
    """The same by tf.keras."""
    import tensorflow as tf

    spec = FAMILIES[family]
    layer, inputs = _made("keras", spec, batch)
    given = [tf.constant(each) for each in inputs]

    def forward(x: list[Any]) -> Any:
        return layer(x if spec.inputs > 1 else x[0], training=True)

    dy = tf.constant(numbers(*forward(given).shape, seed=9))

    def both(x: list[Any], dy: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = forward(x)
        weights = [each.value for each in layer.trainable_variables]
        return [y, *tape.gradient(y, [*x, *weights], output_gradients=dy)]

    function = tf.function(both, jit_compile=jit_compile)
    return lambda: function(given, dy)


def torch_call(family: str, batch: int, compiled: bool = False) -> Callable[[], list[Any]]:
    """The same by PyTorch."""
    import torch

    from benchmarks.torch_networks import channels_last

    spec = FAMILIES[family]
    images = len(spec.shape) == 3
    module, parameters = _torch_layer(family, _weights(spec))

    def placed(values: np.ndarray) -> Any:
        return channels_last(values) if images and values.ndim == 4 else torch.from_numpy(values)

    inputs = [placed(each).requires_grad_() for each in _inputs(spec, batch)]
    shape = module(*inputs).shape
    dy = placed(numbers(*((shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape), seed=9))
    module = torch.compile(module) if compiled else module

    def call() -> list[Any]:
        y = module(*inputs)
        return [y.detach(), *torch.autograd.grad(y, [*inputs, *parameters], dy)]

    return call


def _inputs(spec: Family, batch: int) -> list[np.ndarray]:
    return [numbers(batch, *spec.shape, seed=seed) for seed in range(spec.inputs)]


def _weights(spec: Family) -> list[np.ndarray]:
    """Kernel and bias, or gamma, beta, mean and variance."""
    channels = spec.shape[-1]
    if spec.layer == "Conv2D":
        size, filters = spec.arguments["kernel_size"], spec.arguments["filters"]
        shape: tuple[int, ...] = (size, size, channels, filters)
    elif spec.layer == "Dense":
        shape = (channels, spec.arguments["units"])
    elif spec.layer == "BatchNormalization":
        zeros, ones = np.zeros(channels, "float32"), np.ones(channels, "float32")
        return [1 + numbers(channels, seed=5), numbers(channels, seed=6), zeros, ones]
    else:
        return []
    return [0.1 * numbers(*shape, seed=5), numbers(shape[-1], seed=6)]


def _made(library: str, spec: Family, batch: int) -> tuple[Any, list[np.ndarray]]:
    """The layer with its weights, and what it takes."""
    layer = getattr(importlib.import_module(f"{library}.layers"), spec.layer)(**spec.arguments)
    inputs, weights = _inputs(spec, batch), _weights(spec)
    layer(inputs if spec.inputs > 1 else inputs[0])  # builds it
    if weights:
        layer.set_weights(weights)
    return layer, inputs


def _torch_layer(family: str, weights: list[np.ndarray]) -> tuple[Any, list[Any]]:
    """A module, and its parameters in Keras' order."""
    import torch
    from torch import nn

    makers: dict[str, Callable[[], Any]] = {
        "Conv2D 3x3 + ReLU": lambda: nn.Sequential(
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True)
        ),
        "Conv2D 1x1": lambda: nn.Conv2d(64, 64, 1),
        "Dense + ReLU": lambda: nn.Sequential(nn.Linear(3136, 128), nn.ReLU(inplace=True)),
        "MaxPooling2D 2x2": lambda: nn.MaxPool2d(2),
        "MaxPooling2D 3x3 /2": lambda: nn.MaxPool2d(3, 2),
        "AveragePooling2D 2x2": lambda: nn.AvgPool2d(2),
        "GlobalAveragePooling2D": lambda: _Function(lambda x: x.mean((2, 3))),
        "GlobalMaxPooling2D": lambda: _Function(lambda x: x.amax((2, 3))),
        "BatchNormalization": lambda: nn.BatchNorm2d(64, 1e-3, 0.01),
        "Dropout": lambda: nn.Dropout(0.5),
        "ReLU": nn.ReLU,
        "gelu": nn.GELU,
        "Softmax": lambda: nn.Softmax(1),
        "ZeroPadding2D": lambda: nn.ZeroPad2d(1),
        "Rescaling": lambda: _Function(lambda x: x * (1 / 255)),
        "Add": lambda: _Function(lambda a, b: a + b),
        "Concatenate": lambda: _Function(lambda a, b: torch.cat((a, b), 1)),
    }
    module = makers[family]()
    parameters = list(module.parameters())
    for parameter, values in zip(parameters, weights, strict=False):  # the statistics are as made
        turned = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[values.ndim]
        own = torch.from_numpy(np.ascontiguousarray(values.transpose(turned)))
        if own.ndim == 4:
            own = own.contiguous(memory_format=torch.channels_last)
        parameter.data = own
    return module, parameters


def _Function(function: Callable[..., Any]) -> Any:  # noqa: N802 (a module, in PyTorch's words)
    from torch import nn

    class Function(nn.Module):
        def forward(self, *inputs: Any) -> Any:
            return function(*inputs)

    return Function()
