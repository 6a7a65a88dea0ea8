"""Errors in the activations and their derivatives."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

from parity.plants.plant import Function, Plant, function, operation
from tinyconv import activations, layers
from tinyconv.backends.base import Activation, Array


def _derivative(name: str, slope: Function) -> Function:
    """spoil for activate_backward: dz = dy * slope(saved, activation) for this activation."""

    def spoil(original: Function) -> Function:
        def activate_backward(
            self: Any, dy: Array, saved: Array, activation: Activation, with_bias: bool
        ) -> Any:
            if activation.name != name:
                return original(self, dy, saved, activation, with_bias)
            dz = (dy * slope(saved, activation)).astype(dy.dtype)
            return dz, dz.reshape(-1, dz.shape[-1]).sum(0) if with_bias else None

        return activate_backward

    return spoil


def _value(name: str, change: Function) -> Function:
    """spoil for activate: another y for this activation, change(y, z, activation)."""

    def spoil(original: Function) -> Function:
        def activate(
            self: Any, z: Array, bias: Array | None, activation: Activation, overwrite: bool = False
        ) -> Any:
            if activation.name != name:
                return original(self, z, bias, activation, overwrite)
            z = z if bias is None else z + bias
            y, saved = original(self, z, None, activation)
            changed = change(y, z, activation).astype(z.dtype)
            return changed, changed if saved is y else saved

        return activate

    return spoil


def _slope_03() -> Plant:
    planted = {"leaky_relu": Activation("leaky_relu", 0.3)}
    patterns = ("Activation: leaky_relu", "Dense: activation leaky_relu")
    return Plant("another slope of leaky_relu by default", patterns,
                 lambda backend: mock.patch.dict(activations._NAMES, planted))  # fmt: skip


def _naive_softmax(y: Array, z: Array, activation: Activation) -> Array:
    with np.errstate(all="ignore"):
        e = np.exp(z)
        return np.asarray(e / e.sum(axis=-1, keepdims=True))


PLANTS: list[Plant] = [
    operation("a gradient of ReLU that does not stop at 0", "activate_backward",
              _derivative("relu", lambda y, _: np.ones_like(y)),
              "activations: relu, defaults", "activations: relu, at exactly 0",
              "Dense: activation relu", "Conv2D: activation relu", "ReLU: at exactly 0"),
    operation("a slope of 1 at 0", "activate_backward",
              _derivative("leaky_relu", lambda y, a: np.where(y >= 0, 1, a.alpha)),
              "activations: leaky_relu, at exactly 0", "ReLU: negative_slope, at exactly 0"),
    operation("a ceiling that is flat from its edge on", "activate_backward",
              _derivative("clipped_relu", lambda z, a: (z > a.threshold) & (z < a.max_value)),
              "ReLU: max_value, at exactly 1", "ReLU: max_value 5, at exactly 5"),
    operation("a ReLU6 that still rises at 6", "activate_backward",
              _derivative("clipped_relu", lambda z, a: (z > a.threshold) & (z <= a.max_value)),
              "ReLU: max_value 6, at exactly 6"),
    operation("a threshold that belongs to the upper part", "activate",
              _value("clipped_relu", lambda y, z, a: np.where(z == a.threshold, z, y)),
              "ReLU: threshold, at exactly 1", "ReLU: threshold and slope, at exactly 1"),
    operation("sigmoid' = y", "activate_backward", _derivative("sigmoid", lambda y, _: y),
              "activations: sigmoid, defaults", "Activation: sigmoid"),
    operation("tanh' = 1 - y", "activate_backward", _derivative("tanh", lambda y, _: 1 - y),
              "activations: tanh, defaults", "Activation: tanh"),
    operation("elu' = y below 0", "activate_backward",
              _derivative("elu", lambda y, _: np.where(y > 0, 1, y)),
              "activations: elu, defaults", "activations: elu, alpha 0.5"),
    operation("elu without its alpha", "activate",
              _value("elu", lambda y, z, _: np.where(z > 0, z, np.expm1(np.minimum(z, 0)))),
              "activations: elu, alpha 0.5"),
    operation("gelu' without its second term", "activate_backward",
              _derivative("gelu", lambda z, _: 1 / (1 + np.exp(-1.702 * z))),
              "activations: gelu, defaults", "activations: gelu, exact constant"),
    operation("gelu by its tanh form", "activate",
              _value("gelu", lambda y, z, _: 0.5 * z * (1 + np.tanh(
                  np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))),
              "activations: gelu, defaults", "activations: gelu, exact constant"),
    operation("a softmax gradient without the sum", "activate_backward",
              _derivative("softmax", lambda y, _: y),
              "activations: softmax, defaults", "Softmax: axis *", "Dense: 4-D, softmax *"),
    operation("a softmax that overflows", "activate", _value("softmax", _naive_softmax),
              "activations: softmax, inputs of ±1e4", "Softmax: large inputs"),
    function("a Softmax layer that forgets its axis", layers.Softmax, "forward",
             lambda original: layers.Activation.forward,
             "Softmax: axis 1", "Softmax: axis 2", "Softmax: axis -2"),
    _slope_03(),
]  # fmt: skip
