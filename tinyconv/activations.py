"""Activation functions, by Keras' names; also reached as `tinyconv.nn.relu` and so on.

The functions take arrays. A layer stores the `Activation` behind the function,
which a backend knows how to fuse, and how to differentiate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tinyconv.backends import get_backend
from tinyconv.backends.base import ACTIVATIONS, LINEAR, Activation, Array
from tinyconv.registry import suggest


def _apply(x: Any, activation: Activation) -> Array:
    backend = get_backend()
    x = backend.asarray(x)
    if x.dtype.kind != "f":
        x = x.astype("float32")
    return backend.activate(x, None, activation)[0]


def linear(x: Any) -> Array:
    """f(x) = x, f'(x) = 1."""
    return _apply(x, LINEAR)


def rectifier(
    negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Activation:
    """The `Activation` of `relu` with these arguments."""
    _not_negative("negative_slope", negative_slope)
    if max_value is None and threshold == 0:
        return Activation("leaky_relu", negative_slope) if negative_slope else Activation("relu")
    ceiling = math.inf if max_value is None else max_value
    return Activation("clipped_relu", negative_slope, threshold, ceiling)


def _not_negative(name: str, value: float) -> float:
    if not value >= 0:
        raise ValueError(f"{name} must not be negative. Received: {name}={value}")
    return value


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Array:
    """f(x) = max(x, 0); f'(x) = 1 for x > 0, else 0, also at 0.

    With the arguments: min(x, max_value) above `threshold`, below it
    negative_slope * (x - threshold).
    """
    return _apply(x, rectifier(negative_slope, max_value, threshold))


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Array:
    """f(x) = x for x > 0, else negative_slope * x. Source: Maas et al. 2013."""
    return _apply(x, Activation("leaky_relu", _not_negative("negative_slope", negative_slope)))


def sigmoid(x: Any) -> Array:
    """f(x) = 1 / (1 + e^-x), f' = f (1 - f)."""
    return _apply(x, Activation("sigmoid"))


def tanh(x: Any) -> Array:
    """f' = 1 - f^2."""
    return _apply(x, Activation("tanh"))


def softmax(x: Any) -> Array:
    """f_k = e^x_k / sum_j e^x_j over the last axis; df_k/dx_j = f_k (delta_kj - f_j)."""
    return _apply(x, Activation("softmax"))


def elu(x: Any, alpha: float = 1.0) -> Array:
    """f(x) = x for x > 0, else alpha (e^x - 1). Source: Clevert et al. 2016."""
    return _apply(x, Activation("elu", _not_negative("alpha", alpha)))


def gelu(x: Any, approximate: bool = False) -> Array:
    """f(x) = x Phi(x), Phi the normal distribution function; f' = Phi(x) + x phi(x).

    `approximate` takes the tanh form. Source: Hendrycks & Gimpel 2016.
    """
    return _apply(x, Activation("gelu_tanh" if approximate else "gelu"))


_FUNCTIONS: dict[Callable[..., Array], Activation] = {
    linear: LINEAR,
    relu: Activation("relu"),
    leaky_relu: Activation("leaky_relu", 0.2),
    sigmoid: Activation("sigmoid"),
    tanh: Activation("tanh"),
    softmax: Activation("softmax"),
    elu: Activation("elu", 1.0),
    gelu: Activation("gelu"),
}
_NAMES = {function.__name__: activation for function, activation in _FUNCTIONS.items()}


def get(identifier: Any, owner: Any = None) -> Activation:
    """The `Activation` for a name, one of this module's functions, a config, or None (linear).

    Raises:
        ValueError: for an unknown name or function; it names the owner, a layer say.
    """
    if identifier is None:
        return LINEAR
    if isinstance(identifier, Activation) and identifier.name in ACTIVATIONS:
        return identifier
    if isinstance(identifier, str) and identifier in _NAMES:
        return _NAMES[identifier]
    if isinstance(identifier, dict) and identifier.get("class_name") == "Activation":
        return get(Activation(**identifier["config"]), owner)
    if callable(identifier) and identifier in _FUNCTIONS:
        return _FUNCTIONS[identifier]
    known = sorted(_NAMES)
    hint = suggest(identifier, known) if isinstance(identifier, str) else ""
    raise ValueError(
        f"{f'{owner!r}: ' if owner is not None else ''}unknown activation {identifier!r}.{hint} "
        f"Known: {', '.join(known)}, or a function of tinyconv.activations or tinyconv.nn"
    )


def serialize(activation: Activation) -> str | dict[str, Any]:
    """What `get` takes back: its name if that says it all, else a config with its numbers."""
    if _NAMES.get(activation.name) == activation:
        return activation.name
    return {"class_name": "Activation", "config": activation._asdict()}
