"""Activations as functions of one number, and their derivatives.

Derivatives are functions of the input z here, whatever the backends save.
"""

import math

import numpy as np

from tinyconv.backends.base import Activation


def activate(z: np.ndarray, activation: Activation) -> np.ndarray:
    """f of every element; softmax of every row."""
    y = np.zeros(z.shape)
    if activation.name == "softmax":
        for index in np.ndindex(z.shape[:-1]):
            y[index] = softmax([float(value) for value in z[index]])
    else:
        for index in np.ndindex(z.shape):
            y[index] = value(float(z[index]), *activation)
    return y


def activate_backward(dy: np.ndarray, z: np.ndarray, activation: Activation) -> np.ndarray:
    """dz = dy * f'(z); for softmax every y_k depends on every z_j of its row."""
    dz = np.zeros(z.shape)
    if activation.name != "softmax":
        for index in np.ndindex(z.shape):
            dz[index] = float(dy[index]) * derivative(float(z[index]), *activation)
        return dz
    for index in np.ndindex(z.shape[:-1]):
        y = softmax([float(value) for value in z[index]])
        for j in range(len(y)):
            for k in range(len(y)):
                dz[(*index, j)] += float(dy[(*index, k)]) * y[k] * ((j == k) - y[j])
    return dz


def value(z: float, name: str, alpha: float, threshold: float, max_value: float) -> float:
    """f(z)."""
    match name:
        case "linear":
            return z
        case "relu":
            return z if z > 0 else 0.0
        case "leaky_relu":
            return z if z > 0 else alpha * z
        case "clipped_relu":
            return min(z if z > threshold else alpha * (z - threshold), max_value)
        case "sigmoid":
            return sigmoid(z)
        case "tanh":
            return math.tanh(z)
        case "elu":
            return z if z > 0 else alpha * math.expm1(z)
        case "gelu":
            return z * normal_cdf(z)
        case "gelu_tanh":
            return 0.5 * z * (1 + math.tanh(_gelu_inner(z)))
    raise AssertionError(name)


def derivative(z: float, name: str, alpha: float, threshold: float, max_value: float) -> float:
    """f'(z); at a kink, the slope that Keras takes."""
    match name:
        case "linear":
            return 1.0
        case "relu":
            return 1.0 if z > 0 else 0.0
        case "leaky_relu":
            return 1.0 if z > 0 else alpha
        case "clipped_relu":
            if z <= threshold:
                return alpha if z < threshold else 0.0
            flat = z > max_value or (z == max_value == 6 and threshold == 0)  # relu6
            return 0.0 if flat else 1.0
        case "sigmoid":
            return sigmoid(z) * sigmoid(-z)
        case "tanh":
            return 1 - math.tanh(z) ** 2
        case "elu":
            return 1.0 if z > 0 else alpha * math.exp(z)
        case "gelu":
            return normal_cdf(z) + z * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
        case "gelu_tanh":
            t = math.tanh(_gelu_inner(z))
            slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * z**2)
            return 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * slope
    raise AssertionError(name)


def sigmoid(z: float) -> float:
    """1 / (1 + e^-z), by the form whose exponential is at most 1."""
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


def softmax(row: list[float]) -> list[float]:
    """e^z_k / sum_j e^z_j."""
    exponentials = [math.exp(z - max(row)) for z in row]
    return [e / math.fsum(exponentials) for e in exponentials]


def normal_cdf(z: float) -> float:
    """The probability that a standard normal variable is at most z."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _gelu_inner(z: float) -> float:
    return math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)
