"""Whole networks, described once for both libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from parity.sides.base import Side, fill_weights

Described = tuple[str, Mapping[str, Any]]  # a class and its arguments


class Network(NamedTuple):
    """A chain of layers: the shape of one input, and the layers in the order of the data."""

    shape: tuple[int, ...]
    layers: tuple[Described, ...]

    def build(self, side: Side, dtype: str, random_weights: bool = True) -> Any:
        """The model of that library, its layers named by their places."""
        library = side.library
        layers = [
            getattr(library.layers, cls)(**{"name": f"l{place}", **arguments})
            for place, (cls, arguments) in enumerate(self.layers)
        ]
        model = library.Sequential([library.Input(self.shape), *layers])
        if random_weights:
            fill_weights(model, dtype)
        return model

    @property
    def words(self) -> str:
        """The description, short enough for a line."""
        told = []
        for cls, arguments in self.layers:
            inside = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
            told.append(f"{cls}({inside})")
        return f"{self.shape} → " + " → ".join(told)


def make(side: Side, kind: str, described: Described) -> Any:
    """losses.MeanSquaredError(...) and the like: `kind` is the module's name."""
    cls, arguments = described
    return getattr(getattr(side.library, kind), cls)(**arguments)


# The book's three networks; the classifiers see images of 28 x 28, the last one of 16 x 16.
DENSE = Network(
    (28, 28, 1),
    (
        ("Flatten", {}),
        ("Dense", {"units": 128, "activation": "relu"}),
        ("Dense", {"units": 10, "activation": "softmax"}),
    ),
)
CNN = Network(
    (28, 28, 1),
    (
        ("Conv2D", {"filters": 32, "kernel_size": 3, "padding": "same", "activation": "relu"}),
        ("MaxPooling2D", {"pool_size": 2}),
        ("Conv2D", {"filters": 64, "kernel_size": 3, "padding": "same", "activation": "relu"}),
        ("MaxPooling2D", {"pool_size": 2}),
        ("Flatten", {}),
        ("Dense", {"units": 128, "activation": "relu"}),
        ("Dense", {"units": 10, "activation": "softmax"}),
    ),
)
NORMALIZED = Network(
    (16, 16, 3),
    (
        ("Conv2D", {"filters": 16, "kernel_size": 3, "padding": "same"}),
        ("BatchNormalization", {}),
        ("Activation", {"activation": "relu"}),
        ("MaxPooling2D", {"pool_size": 2}),
        ("Conv2D", {"filters": 32, "kernel_size": 3, "strides": 2, "padding": "same"}),
        ("BatchNormalization", {}),
        ("ReLU", {}),
        ("GlobalAveragePooling2D", {}),
        ("Dropout", {"rate": 0.0}),
        ("Dense", {"units": 1, "activation": "sigmoid"}),
    ),
)
