"""Penalties on parameters, added to the loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv import registry
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array


class L1L2:
    """penalty = l1 * sum |w| + l2 * sum w^2, gradient l1 * sign(w) + 2 * l2 * w.

    Raises:
        ValueError: if a factor is negative.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        if not (l1 >= 0 and l2 >= 0):
            raise ValueError(f"l1 and l2 must not be negative. Received: l1={l1}, l2={l2}")
        self.l1, self.l2 = float(l1), float(l2)

    def __call__(self, w: Array) -> float:
        """The penalty of one parameter."""
        number = get_backend().number
        penalty: float = self.l1 * number(np.abs(w).sum()) + self.l2 * number(np.square(w).sum())
        return penalty

    def gradient(self, w: Array) -> Array:
        """Its derivative, of the shape of w."""
        gradient = 2 * self.l2 * w
        return gradient + self.l1 * np.sign(w) if self.l1 else gradient

    def get_config(self) -> dict[str, float]:
        """Constructor arguments."""
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """penalty = l1 * sum |w|."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)

    def get_config(self) -> dict[str, float]:
        """Constructor arguments."""
        return {"l1": self.l1}


class L2(L1L2):
    """penalty = l2 * sum w^2."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)

    def get_config(self) -> dict[str, float]:
        """Constructor arguments."""
        return {"l2": self.l2}


l1, l2 = L1, L2  # Keras' lower-case spellings


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Both penalties, with Keras' defaults for the function form."""
    return L1L2(l1, l2)


_TABLE = {"l1": L1, "l2": L2, "l1_l2": L1L2, "L1": L1, "L2": L2, "L1L2": L1L2}


def get(identifier: Any, argument: str = "regularizer") -> L1L2 | None:
    """A regularizer for a name ("l2"), a config or an instance; None stays None.

    Raises:
        ValueError: for an unknown name.
    """
    if identifier is None:
        return None
    regularizer: L1L2 = registry.lookup(identifier, _TABLE, argument)
    return regularizer
