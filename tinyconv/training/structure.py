"""Lists, dicts and single things: what belongs to which input or output of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def in_order(owner: Any, names: Sequence[str], given: Any, what: str) -> list[Any]:
    """Arrays in the order of the inputs or outputs called `names`.

    A model with one takes the array itself; one with several takes a list or tuple in their
    order, or a dict by name.

    Raises:
        ValueError: for another number of arrays, or names that do not fit.
    """
    if isinstance(given, Mapping):
        if set(given) != set(names):
            raise ValueError(
                f"{owner!r}: {what} must have the keys {list(names)}. Received: {list(given)}"
            )
        return [given[name] for name in names]
    several = isinstance(given, (list, tuple))
    if len(names) == 1:
        # [array] is a list of one array; [1.0, 2.0] and [[1.0], [2.0]] are the array itself.
        single = several and len(given) == 1 and hasattr(given[0], "shape")
        return [given[0] if single else given]
    if not several or len(given) != len(names):
        came = f"{len(given)}" if several else type(given).__name__
        raise ValueError(
            f"{owner!r}: {what} must be a list of {len(names)} arrays, or a dict, for "
            f"{list(names)}. Received: {came}"
        )
    return list(given)


def per_output(
    owner: Any, names: Sequence[str], given: Any, argument: str, broadcast: bool = False
) -> list[Any]:
    """One value an output from a list or a dict by name; None where there is none.

    Args:
        broadcast: whether a single value is meant for every output.

    Raises:
        ValueError: for another number of values, or an unknown name.
    """
    if given is None:
        return [None] * len(names)
    if isinstance(given, Mapping) and not {"class_name", "config"} <= set(given):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ValueError(
                f"{owner!r}: {argument} names the output {unknown[0]!r}. Outputs: {list(names)}"
            )
        return [given.get(name) for name in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise ValueError(
                f"{owner!r}: {argument} must have one entry for each of the {len(names)} outputs "
                f"{list(names)}. Received: {len(given)}"
            )
        return list(given)
    if broadcast or len(names) == 1:
        return [given] * len(names)
    raise ValueError(
        f"{owner!r}: {argument} must be a list or a dict by output, {list(names)}. "
        f"Received: {given!r}"
    )
