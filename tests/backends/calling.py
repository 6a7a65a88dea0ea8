"""Calling an operation with NumPy arrays, watching that it keeps its hands off them."""

import inspect
from typing import Any

import numpy as np

from tinyconv.backends.base import Activation, Backend

ACTIVATIONS = [
    Activation("linear"),
    Activation("relu"),
    Activation("leaky_relu", alpha=0.25),
    Activation("clipped_relu", max_value=2.0),
    Activation("clipped_relu", alpha=0.25, threshold=1.0, max_value=2.0),
    Activation("sigmoid"),
    Activation("tanh"),
    Activation("softmax"),
    Activation("elu", alpha=1.0),
    Activation("elu", alpha=0.5),
    Activation("gelu"),
    Activation("gelu_tanh"),
]


def name_of(value: Any) -> str | None:
    """A readable test id for an activation."""
    if isinstance(value, Activation):
        return value.name + (f"_{value.alpha}" if value.alpha else "")
    return None


def apply(backend: Backend, operation: str, *arguments: Any) -> Any:
    """backend.operation(*arguments), for blocks without what they save, which is their own affair.

    A block's way back is given dy, the arguments of the way there (but `keep`), and what else
    it takes: it goes there first.
    """
    if "_block" not in operation:
        return getattr(backend, operation)(*arguments)
    if not operation.endswith("_backward"):
        return getattr(backend, operation)(*arguments)[:-1]
    there = getattr(backend, operation.removesuffix("_backward"))
    dy, x, parameter, *others = arguments
    count = len(inspect.signature(there).parameters) - 3  # all but x, parameter and keep
    *_, saved = there(x, parameter, *others[:count], True)
    back = getattr(backend, operation)
    takes = len(inspect.signature(back).parameters)  # a sum needs neither x nor a parameter
    return back(*(dy, saved, x, parameter, *others[count:])[:takes])


def given(backend: Backend, argument: Any) -> Any:
    """The argument with the backend's arrays instead of NumPy's, those in a tuple as well."""
    if type(argument) is tuple:
        return tuple(given(backend, each) for each in argument)
    return backend.asarray(argument) if isinstance(argument, np.ndarray) else argument


def call(backend: Backend, operation: str, *arguments: Any) -> Any:
    """The operation with NumPy arrays in and out; fails if an input changed."""
    passed = given(backend, arguments)
    before = [a.copy() if isinstance(a, np.ndarray) else None for a in arguments]
    results = apply(backend, operation, *passed)
    for argument, copy in zip(passed, before, strict=True):
        if copy is not None:
            np.testing.assert_array_equal(backend.to_numpy(argument), copy, "an input was changed")
    if isinstance(results, tuple):
        return tuple(None if r is None else backend.to_numpy(r) for r in results)
    return backend.to_numpy(results)
