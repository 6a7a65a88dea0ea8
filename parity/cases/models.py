"""Whole models as layers: the chain rule through all of them, and the names of their weights."""

from __future__ import annotations

import numpy as np

from parity.case import Case, Results
from parity.cases.network import CNN, DENSE, NORMALIZED, Network
from parity.data import draw
from parity.sides.base import Side, fill_weights, key
from parity.tolerances import STEP

_NETWORKS = {
    "dense": DENSE,
    "CNN": CNN,
    "conv, BatchNormalization, sigmoid": NORMALIZED,
    "one of each": Network(
        (9, 8, 2),
        (
            ("Rescaling", {"scale": 0.5, "offset": 0.25}),
            ("ZeroPadding2D", {"padding": ((1, 0), (0, 1))}),
            ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2, "activation": "elu"}),
            ("BatchNormalization", {"momentum": 0.5}),
            ("ReLU", {"negative_slope": 0.125}),
            ("MaxPooling2D", {"pool_size": 2, "padding": "same"}),
            ("Conv2D", {"filters": 6, "kernel_size": 2, "dilation_rate": 2, "padding": "same"}),
            ("Activation", {"activation": "tanh"}),
            ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}),
            ("Reshape", {"target_shape": (3, -1)}),
            ("Dense", {"units": 5, "activation": "sigmoid"}),
            ("Dropout", {"rate": 0.0}),
            ("Flatten", {}),
            ("Dense", {"units": 4}),
            ("Softmax", {}),
        ),
    ),
}
# Rounding is what is left of the gradient of a bias before BatchNormalization.
_NO_GRADIENT = {"conv, BatchNormalization, sigmoid": {"l0/bias": 1.0, "l4/bias": 1.0}}


def cases() -> list[Case]:
    """All of them."""
    found = []
    for name, network in _NETWORKS.items():
        for training in (True, False):
            found.append(_whole(name, network, training))
        found.append(_weights(name, network))
    return [*found, _nested(True), _nested(False), _grey(), _input_shape()]


def _whole(name: str, network: Network, training: bool) -> Case:
    """Output, dx and all gradients, for a random cotangent."""

    def measure(side: Side, dtype: str) -> Results:
        model = network.build(side, dtype)
        x = draw("normal", (4, *network.shape)).astype(dtype)
        return side.layer(model, [x], training)

    words = f"{name}, {'training' if training else 'inference'}"
    scales = _NO_GRADIENT.get(name, {})
    uses = (("InputLayer", {"shape": network.shape}), *network.layers)
    return Case("Sequential", words, measure, uses, tolerance=STEP, scales=scales)


def _weights(name: str, network: Network) -> Case:
    """Names, shapes and order of the weights, which are trained, and how many there are."""

    def measure(side: Side, dtype: str) -> Results:
        model = network.build(side, dtype)
        told = [f"{key(w.path)} {tuple(w.shape)} {w.trainable}" for w in model.weights]
        shapes = [str(tuple(model.output_shape)), str(tuple(model.input_shape))]
        return {"weights": np.asarray(told), "shapes": np.asarray(shapes),
                "parameters": np.asarray(model.count_params())}  # fmt: skip

    return Case("Sequential", f"{name}, names of the weights", measure, network.layers)


def _nested(training: bool) -> Case:
    """A model inside a model is a layer."""

    def measure(side: Side, dtype: str) -> Results:
        layers, library = side.library.layers, side.library
        block = library.Sequential(
            [
                library.Input((6, 6, 2)),
                layers.Conv2D(3, 3, activation="relu", name="conv"),
                layers.BatchNormalization(name="norm"),
            ],
            name="block",
        )
        model = library.Sequential(
            [library.Input((6, 6, 2)), block, layers.Flatten(), layers.Dense(3, name="head")]
        )
        drawn = [(0.5 + draw("pixels", w.shape, i)).astype(dtype)
                 for i, w in enumerate(model.get_weights())]  # fmt: skip
        model.set_weights(drawn)
        return side.layer(model, [draw("normal", (3, 6, 6, 2)).astype(dtype)], training)

    words = f"a model inside a model, {'training' if training else 'inference'}"
    return Case("Sequential", words, measure, tolerance=STEP)


def _grey() -> Case:
    """Images without their channel axis, for a model that expects one channel."""

    def measure(side: Side, dtype: str) -> Results:
        model = DENSE.build(side, dtype)
        x = draw("pixels", (3, 28, 28)).astype(dtype)
        return {"output": np.asarray(model.predict(x, verbose=0))}

    return Case("Sequential", "grey images without their channel axis", measure, DENSE.layers,
                tolerance=STEP)  # fmt: skip


def _input_shape() -> Case:
    """A model whose first layer says what comes in, in place of an Input."""

    def measure(side: Side, dtype: str) -> Results:
        layers = side.library.layers
        model = side.library.Sequential(
            [
                layers.Conv2D(3, 3, activation="relu", input_shape=(6, 6, 2), name="l0"),
                layers.Flatten(name="l1"),
                layers.Dense(4, name="l2"),
            ]
        )
        fill_weights(model, dtype)
        return side.layer(model, [draw("normal", (3, 6, 6, 2)).astype(dtype)], True)

    uses = (("Conv2D", {"input_shape": (6, 6, 2)}),)
    return Case("Sequential", "input_shape on the first layer", measure, uses, tolerance=STEP)
