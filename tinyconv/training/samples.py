"""From what users hold to a `Batch`: arrays of numbers, of one length, in the model's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.training.batch import Batch
from tinyconv.training.structure import in_order, per_output

_CHUNK = 4096  # samples looked at together, so that a check needs little memory


def make_batch(model: Any, x: Any, y: Any = None, sample_weight: Any = None) -> Batch:
    """Inputs, targets and weights as lists of arrays, whose values and lengths are checked.

    Raises:
        TypeError: for things that are not arrays.
        ValueError: for no samples, unequal lengths, NaN or infinity, or arrays that do not
            go with the model's inputs and outputs.
    """
    xs = _arrays(model, model.input_names, x, "x")
    ys: list[Any] = [None] * len(model.output_names)
    if y is not None:
        ys = _arrays(model, model.output_names, y, "y")
    weights = _weights(model, model.output_names, sample_weight)
    length = len(xs[0])
    named = [("x", xs), ("y", ys), ("sample_weight", weights)]
    for name, arrays in named:
        for array in arrays:
            if array is not None and len(array) != length:
                between = "the inputs" if name == "x" else f"x and {name}"
                raise ValueError(
                    f"{model!r}: {between} must have the same length. "
                    f"Received: {length} and {len(array)}"
                )
    for name, arrays in named:
        for array in arrays:
            if array is not None:
                check_finite(model, array, name)
    return Batch(xs, ys, weights)


def _arrays(owner: Any, names: Sequence[str], given: Any, what: str) -> list[Any]:
    return [
        None if each is None and len(names) > 1 and what != "x" else as_array(owner, each, what)
        for each in in_order(owner, names, given, what)
    ]


def _weights(owner: Any, names: Sequence[str], given: Any) -> list[Any]:
    """One array of weights an output; a single one holds for all of them, as in Keras."""
    if given is None:
        return [None] * len(names)
    if len(names) == 1:
        given = in_order(owner, names, given, "sample_weight")
    elif isinstance(given, (Mapping, list, tuple)):
        given = per_output(owner, names, given, "sample_weight")
    else:
        given = [given] * len(names)
    return [None if each is None else as_array(owner, each, "sample_weight") for each in given]


def with_class_weights(owner: Any, batch: Batch, class_weight: Mapping[int, float] | None) -> Batch:
    """The batch with each sample's weight multiplied by the factor of its class.

    Raises:
        ValueError: for keys that are not classes, or a model with several outputs.
    """
    if class_weight is None or batch.y[0] is None:
        return batch
    if len(batch.y) > 1:
        raise ValueError(f"{owner!r}: class_weight is for models with one output")
    if not isinstance(class_weight, Mapping) or not all(
        isinstance(label, (int, np.integer)) and isinstance(factor, (int, float, np.number))
        for label, factor in class_weight.items()
    ):
        raise ValueError(
            f"{owner!r}: class_weight must map integer classes to numbers. Received: {class_weight}"
        )
    y, own = batch.y[0], batch.weights[0]
    labels = y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    factors = np.ones(len(labels), "float32")
    for label, factor in class_weight.items():
        factors[labels == label] = factor
    if own is not None:
        factors = own * factors.reshape(len(factors), *[1] * (own.ndim - 1))
    check_finite(owner, factors, "class_weight")
    return batch._replace(weights=[factors])


def as_array(owner: Any, values: Any, name: str) -> Array:
    """A NumPy array with at least one sample.

    Raises:
        TypeError: for things that are not numbers.
        ValueError: for no samples.
    """
    if hasattr(values, "get") and hasattr(values, "__cuda_array_interface__"):
        raise TypeError(
            f"{owner!r}: {name} must be an array of the host: the backend brings it to the device. "
            f"Received: {type(values).__module__}.{type(values).__name__}; pass {name}.get()"
        )
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise TypeError(
            f"{owner!r}: {name} must be an array of numbers. "
            f"Received: {type(values).__name__} whose parts have unequal shapes"
        ) from error
    if array.dtype.kind not in "biuf":
        hint = ". Turn names into numbers 0..n-1" if name == "y" and _texts(array) else ""
        raise TypeError(
            f"{owner!r}: {name} must be an array of numbers. "
            f"Received: {type(values).__name__} of dtype {array.dtype}{hint}"
        )
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(
            f"{owner!r}: {name} must hold at least one sample. Received: shape {array.shape}"
        )
    return array


def _texts(array: Array) -> bool:
    """Whether an array holds strings; pandas keeps them as objects."""
    return array.dtype.kind in "UST" or (array.size > 0 and isinstance(array.flat[0], (str, bytes)))


def check_finite(owner: Any, x: Array, name: str) -> None:
    """Raise ValueError, with the place, if an array holds NaN or infinity."""
    if x.dtype.kind != "f":
        return
    for start in range(0, len(x), _CHUNK):
        chunk = x[start : start + _CHUNK]
        finite = np.isfinite(chunk)
        if not finite.all():
            place = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise ValueError(
                f"{owner!r}: {name} must hold finite numbers. "
                f"Received: {chunk[place]} in sample {start + place[0]} at {place[1:]}"
            )
