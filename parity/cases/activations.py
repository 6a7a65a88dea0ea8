"""The activations as functions and as layers, at kinks and at the ends of the number line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.cases.layer import layer_case
from parity.data import Array, draw
from parity.sides.base import Side
from parity.tolerances import FLOAT32_CONSTANT, SINGLE

_SHAPE = (3, 4, 5)
_NAMES = ("linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax", "elu", "gelu")
_ROUNDED = ("gelu", "leaky_relu")  # by TensorFlow, see the tolerance

_INPUTS: dict[str, Callable[[], Array]] = {
    "": lambda: draw("normal", _SHAPE),
    "at exactly 0": lambda: draw("ties", _SHAPE),
    "inputs of ±1e4": lambda: np.sign(draw("normal", _SHAPE)) * 1e4,
    "inputs up to ±30": lambda: 10 * draw("normal", _SHAPE),
    "tiny inputs": lambda: 1e-4 * draw("normal", _SHAPE),
}


def function(name: str, words: str, values: str = "", /, **arguments: Any) -> Case:
    """activations.name(x, **arguments), and its derivative inside a layer."""

    def measure(side: Side, dtype: str) -> Results:
        return side.activation(name, _INPUTS[values]().astype(dtype), arguments)

    rounded = name in _ROUNDED and "negative_slope" not in arguments
    return Case(
        "activations", f"{name}, {words}", measure, ((name, arguments),),
        tolerance=FLOAT32_CONSTANT if rounded else SINGLE,
        # TensorFlow's elu is exp(x) - 1: next to 0 the rounding of terms near 1 is left of it.
        scales={"output": 1.0} if (name, values) == ("elu", "tiny inputs") else {},
    )  # fmt: skip


def cases() -> list[Case]:
    """All of them."""
    everywhere = [
        function(name, values or "defaults", values) for name in _NAMES for values in _INPUTS
    ]
    return [
        *everywhere,
        *_arguments(),
        _exact_gelu(False),
        _exact_gelu(True),
        *_layers(),
        *_relu_layers(),
        *_softmax(),
    ]


def _arguments() -> list[Case]:
    return [
        function("relu", "negative_slope", negative_slope=0.25),
        function("relu", "max_value", max_value=1.5),
        function("relu", "max_value 6", "inputs up to ±30", max_value=6.0),
        function("relu", "threshold", threshold=0.5),
        function("relu", "all three", negative_slope=0.25, max_value=2.0, threshold=0.5),
        function("leaky_relu", "negative_slope 0.25", negative_slope=0.25),
        function("elu", "alpha 0.5", alpha=0.5),
        function("gelu", "approximate", approximate=True),
        function("gelu", "approximate, inputs up to ±30", "inputs up to ±30", approximate=True),
    ]


def _exact_gelu(approximate: bool) -> Case:
    """Keras' formulas, written out with its own operations and roots in float64."""

    def measure(side: Side, dtype: str) -> Results:
        x = draw("normal", _SHAPE).astype(dtype)
        if side.library.__name__ == "tinyconv":
            return side.activation("gelu", x, {"approximate": approximate})
        ops = side.library.ops

        def gelu(z: Any) -> Any:
            if approximate:
                scale = ops.full_like(z, np.sqrt(2 / np.pi))
                cubic = z + ops.full_like(z, 0.044715) * z * z * z
                return 0.5 * z * (1.0 + ops.tanh(scale * cubic))
            return 0.5 * z * (1.0 + ops.erf(z / ops.full_like(z, np.sqrt(2))))

        return side.layer(side.library.layers.Activation(gelu), [x], True)

    name = "gelu, approximate, exact constants" if approximate else "gelu, exact constant"
    note = "beside Keras' formula written out with keras.ops, for tf.nn.gelu rounds its constants"
    return Case("activations", name, measure, (("gelu", {"approximate": approximate}),), note=note)


def _layers() -> list[Case]:
    found = []
    for name in _NAMES:
        tolerance = FLOAT32_CONSTANT if name in _ROUNDED else SINGLE
        found.append(
            layer_case("Activation", name, _SHAPE, activation=name, case={"tolerance": tolerance})
        )
    return found


def _relu_layers() -> list[Case]:
    return [
        layer_case("ReLU", "defaults", _SHAPE),
        layer_case("ReLU", "at exactly 0", _SHAPE, "ties"),
        layer_case("ReLU", "max_value 1.5", _SHAPE, max_value=1.5),
        layer_case("ReLU", "max_value, at exactly 1", _SHAPE, "ties", max_value=1.0),
        layer_case("ReLU", "max_value 6, as in MobileNet", _SHAPE, "large", max_value=6.0),
        layer_case("ReLU", "max_value 6, at exactly 6", _SHAPE, "counts", max_value=6.0),
        layer_case("ReLU", "max_value 5, at exactly 5", _SHAPE, "counts", max_value=5.0),
        layer_case("ReLU", "negative_slope 0.25", _SHAPE, negative_slope=0.25),
        layer_case("ReLU", "negative_slope, at exactly 0", _SHAPE, "ties", negative_slope=0.25),
        layer_case("ReLU", "threshold 0.5", _SHAPE, threshold=0.5),
        layer_case("ReLU", "threshold, at exactly 1", _SHAPE, "ties", threshold=1.0),
        layer_case("ReLU", "threshold and slope, at exactly 1", _SHAPE, "ties", threshold=1.0,
                   negative_slope=0.25),
        layer_case("ReLU", "slope and max_value, at exactly 0", _SHAPE, "ties", max_value=1.5,
                   negative_slope=0.25),
        layer_case("ReLU", "all three", _SHAPE, max_value=2.0, negative_slope=0.25,
                   threshold=0.5),
        layer_case("ReLU", "max_value below the threshold", _SHAPE, max_value=0.25,
                   threshold=0.5),
    ]  # fmt: skip


def _softmax() -> list[Case]:
    return [
        layer_case("Softmax", "defaults", _SHAPE),
        *[layer_case("Softmax", f"axis {axis}", (2, 3, 4, 5), axis=axis) for axis in (1, 2, 3, -2)],
        layer_case("Softmax", "vectors", (6, 10)),
        layer_case("Softmax", "many equal values", (6, 10), "ties"),
        layer_case("Softmax", "large inputs", (6, 10), "large"),
    ]
