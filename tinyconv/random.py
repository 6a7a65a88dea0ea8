"""The one source of randomness: initial weights, dropout masks, shuffling."""

from __future__ import annotations

from typing import Any

import numpy as np

_generator = np.random.default_rng()


def set_seed(seed: int) -> None:
    """Start the generator anew, so that what follows repeats bit for bit.

    It holds for the same backend and the same number of threads.
    """
    global _generator
    _generator = np.random.default_rng(seed)


def generator(seed: int | None = None) -> np.random.Generator:
    """The shared generator, or one of its own for a given seed."""
    return _generator if seed is None else np.random.default_rng(seed)


def get_state() -> dict[str, Any]:
    """Where the shared generator is, as plain numbers that JSON can hold."""
    return dict(_generator.bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Go back to where `get_state` was called.

    Raises:
        ValueError: for the state of another kind of generator.
    """
    kind = type(_generator.bit_generator).__name__
    if state.get("bit_generator") != kind:
        raise ValueError(
            f"expected the state of a {kind} generator. Received: {state.get('bit_generator')!r}"
        )
    _generator.bit_generator.state = state
