"""What a layer computes, in words: read from the docstrings of the code that computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tinyconv import activations
from tinyconv.backends.base import LINEAR
from tinyconv.layers import Activation, Conv2D, Dense, Layer

_FUNCTIONS = {"clipped_relu": "relu", "gelu_tanh": "gelu"}  # whose docstring tells of both


class Formula(NamedTuple):
    """The two halves of a layer.

    Attributes:
        forward: x -> y.
        backward: dy -> dx and the gradients of the parameters.
        activation: what is applied last, "" if that is nothing.
    """

    forward: str
    backward: str
    activation: str


def formula(layer: Layer) -> Formula:
    """Formulas of a layer; of a layer of one's own the docstrings of `forward` and `backward`."""
    kind: Any = type(layer)
    backward = _told(kind.backward)
    if kind.backward in (Conv2D.backward, Dense.backward):  # it is made of two others
        backward = f"{_told(kind._backward_parameters)} {_told(kind._backward_input)}"
    return Formula(_told(kind.forward), backward, _activation(layer))


def _activation(layer: Layer) -> str:
    function = layer.activation
    if function == LINEAR and not isinstance(layer, Activation):
        return ""
    documented = _FUNCTIONS.get(function.name, function.name)
    docstring = getattr(activations, documented).__doc__ or ""
    told = " ".join(
        (docstring if documented != function.name else docstring.split("\n\n")[0]).split()
    )
    scale = f" (alpha {function.alpha:g})" if function.alpha else ""
    return f"{function.name}{scale}: {told}"


def _told(function: Callable[..., Any]) -> str:
    """Its docstring in one line."""
    return " ".join((function.__doc__ or "").split())
