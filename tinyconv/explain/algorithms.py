"""Which algorithm computes each convolution of a model, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.geometry import Shape
from tinyconv.layers.conv2d import Conv2D

if TYPE_CHECKING:
    from tinyconv.backends.numba.convolution.case import ConvCase
    from tinyconv.models.model import Model

OPERATIONS = ("forward", "dx", "dkernel")  # of a convolution


class ChosenAlgorithm(NamedTuple):
    """The algorithm of one operation of one layer.

    Attributes:
        layer: name of the layer.
        case: its shapes, with the operation: "forward", "dx" or "dkernel".
        name: of the algorithm.
        reason: why it was chosen.
    """

    layer: str
    case: ConvCase
    name: str
    reason: str


class Algorithms(list[ChosenAlgorithm]):
    """A list that prints as a table."""

    def __str__(self) -> str:
        lines = []
        for layer, case, name, reason in self:
            (H, W), (KH, KW), (SH, _) = case.window.input, case.window.size, case.window.strides
            shape = f"{H}x{W}x{case.channels} -> {case.filters}, {KH}x{KW}"
            if SH > 1:
                shape += f" stride {SH}"
            lines.append(f"{layer:24} {shape:34} {case.operation:8} {name:14} {reason}")
        return "\n".join(lines)


def algorithms(
    model: Model, batch_size: int = 32, training: bool = True, conv: str | None = None
) -> Algorithms:
    """What the backend "numba" chooses for each convolution of a model that is built.

    Args:
        batch_size: images at a time.
        training: the gradients, too.
        conv: as in `use_backend`.

    Example:
        >>> print(tinyconv.explain.algorithms(model, batch_size=32))

    Raises:
        ValueError: if a layer has never been called on images of known size.
    """
    from tinyconv.backends.numba.convolution.case import ConvCase
    from tinyconv.backends.numba.convolution.chooser import choose

    rows = Algorithms()
    for layer, shape in _convolutions(model):
        window, channels = layer.window(shape), shape[3] or 0
        for operation in OPERATIONS if training else OPERATIONS[:1]:
            case = ConvCase(
                batch_size, window, channels, layer.filters, layer.groups,
                np.dtype(layer.dtype), operation,
            )  # fmt: skip
            choice = choose(case, conv)
            rows.append(ChosenAlgorithm(layer.name, case, choice.name, choice.reason))
    return rows


def _convolutions(model: Any) -> Iterator[tuple[Conv2D, Shape]]:
    """Each convolution and its (first) input shape, those of nested models included."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _convolutions(layer)
        elif isinstance(layer, Conv2D):
            shape = layer.input.shape if layer.nodes else (None,)
            if None in shape[1:] or len(shape) != 4:
                raise ValueError(f"{layer!r}: the size of its images is not known: {shape}")
            yield layer, shape
