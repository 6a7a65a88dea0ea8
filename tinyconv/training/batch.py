"""What one step works on."""

from __future__ import annotations

from typing import NamedTuple

from tinyconv.backends.base import Array


class Batch(NamedTuple):
    """Lists, also where a model has a single input and output.

    Attributes:
        x: an array (N, ...) for each input.
        y: targets for each output, None for an output without a loss and metrics.
        weights: factors of the samples' losses for each output, or None.
    """

    x: list[Array]
    y: list[Array | None]
    weights: list[Array | None]
