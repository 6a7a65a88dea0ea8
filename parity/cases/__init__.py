"""All cases, family by family."""

from __future__ import annotations

from functools import cache

from parity.case import Case
from parity.cases import (
    activations,
    applications,
    convolution,
    dense,
    dropout,
    graphs,
    initializers,
    losses,
    merging,
    metrics,
    models,
    normalization,
    optimizers,
    pooling,
    regularizers,
    reshaping,
    schedules,
    training,
    trajectories,
)

FAMILIES = (
    convolution,
    dense,
    pooling,
    normalization,
    activations,
    dropout,
    reshaping,
    merging,
    losses,
    metrics,
    optimizers,
    schedules,
    regularizers,
    initializers,
    training,
    models,
    graphs,
    applications,
    trajectories,
)


@cache
def all_cases() -> tuple[Case, ...]:
    """Every case but the random networks, in the order of the table.

    Raises:
        ValueError: if two have one name.
    """
    found = [case for family in FAMILIES for case in family.cases()]
    names = [case.id for case in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two cases of one name: {twice}")
    return tuple(found)
