"""How the cases of layers are written: a class, its arguments, and an input."""

from __future__ import annotations

from typing import Any

from parity.case import Case, Results
from parity.data import draw
from parity.sides.base import Side, fill_weights


def layer_case(
    cls: str,
    name: str,
    shape: Any,
    values: str = "normal",
    /,
    *,
    training: bool = True,
    steps: int = 1,
    random_weights: bool = True,
    case: dict[str, Any] | None = None,
    **arguments: Any,
) -> Case:
    """A layer of both libraries, with the same weights, forward and backward.

    Args:
        cls: name of the layer in `library.layers`.
        name: of the case.
        shape: of the input, batch included, or a list of shapes; values: see `data.draw`.
        training: mode of the forward pass.
        steps: number of inputs it sees before the backward pass.
        random_weights: whether the weights are drawn, or left as initialized.
        case: further fields of the `Case`.
        arguments: of the layer.
    """

    def measure(side: Side, dtype: str) -> Results:
        layer = getattr(side.library.layers, cls)(**arguments)
        side.build(layer, shape)
        if random_weights:
            fill_weights(layer, dtype)
        inputs: list[Any] = [
            [draw(values, each, step, place).astype(dtype) for place, each in enumerate(shape)]
            if isinstance(shape, list)
            else draw(values, shape, step).astype(dtype)
            for step in range(steps)
        ]
        return side.layer(layer, inputs, training)

    return Case(cls, name, measure, ((cls, arguments),), **(case or {}))
