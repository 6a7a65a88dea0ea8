"""Which source an x is: arrays, batches by number, or batches one after the other."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tinyconv.training.arrays import ArrayData
from tinyconv.training.source import Source
from tinyconv.training.streams import IterableData, SequenceData


def source_of(
    model: Any,
    method: str,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    batch_size: int | None = None,
    shuffle: bool = False,
) -> Source:
    """What `fit`, `evaluate` and `predict` (the `method`) go through.

    Raises:
        ValueError: for arguments that only go with arrays; see also `ArrayData`.
        TypeError: for a function or a string.
    """
    if inspect.isroutine(x) or isinstance(x, (str, bytes)):
        hint = f". Call it: {x.__name__}()" if inspect.isroutine(x) else ""
        raise TypeError(
            f"{model!r}: {method} needs arrays or a data set as x. "
            f"Received: x is a {type(x).__name__}{hint}"
        )
    if not is_stream(x):
        return ArrayData(model, method, x, y, sample_weight, class_weight, batch_size, shuffle)
    for name, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
        if value is not None:
            why = "makes its own batches" if name == "batch_size" else "yields (x, y[, weights])"
            raise ValueError(
                f"{model!r}: {method} takes no {name} where x is a data set, which {why}. "
                f"Received: x of type {type(x).__name__}"
            )
    if _has_items(x):
        return SequenceData(model, method, x, class_weight, shuffle)
    return IterableData(model, method, x, class_weight)


def is_stream(x: Any) -> bool:
    """Whether `x` gives batches, rather than being arrays."""
    if x is None or hasattr(x, "__array__") or isinstance(x, (list, tuple, Mapping, str, bytes)):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "as_numpy_iterator") or _has_items(x)


def _has_items(x: Any) -> bool:
    return hasattr(x, "__getitem__") and (hasattr(x, "__len__") or hasattr(x, "num_batches"))
