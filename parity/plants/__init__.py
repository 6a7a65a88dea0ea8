"""Errors planted into tinyconv on purpose: a suite that stays green with them proves nothing."""

from __future__ import annotations

from parity.case import Row
from parity.plants import activations, convolution, graphs, layers, losses, optimizers, pooling
from parity.plants.plant import Plant
from parity.run import DTYPES, row

__all__ = ["PLANTS", "Plant", "survivors"]

PLANTS: tuple[Plant, ...] = (
    *convolution.PLANTS,
    *pooling.PLANTS,
    *activations.PLANTS,
    *layers.PLANTS,
    *graphs.PLANTS,
    *losses.PLANTS,
    *optimizers.PLANTS,
)


def survivors(plant: Plant, backend: str) -> list[Row]:
    """The rows that should be red while the error is planted, and are not."""
    from parity.cases import all_cases

    with plant.planted(backend):
        rows = [row(case, backend, dtype) for case in plant.cases(all_cases()) for dtype in DTYPES]
    return [found for found in rows if found.passed]
