"""Files as the Keras of TensorFlow 2 wrote them, made by hand: no TensorFlow 2 is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import tinyconv

RNG = np.random.default_rng(5)


def dense(name: str, units: int, activation: str = "linear", **more: Any) -> dict[str, Any]:
    """The config of a Dense layer."""
    config = {
        "name": name,
        "trainable": True,
        "dtype": "float32",
        "units": units,
        "activation": activation,
        "use_bias": True,
        "kernel_initializer": {
            "class_name": "GlorotUniform",
            "config": {"seed": None, "dtype": "float32"},
        },
        "bias_initializer": {"class_name": "Zeros", "config": {}},
        "kernel_regularizer": {"class_name": "L2", "config": {"l2": 0.009999999776482582}},
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    return {"class_name": "Dense", "config": {**config, **more}}


def start(name: str, *shape: int) -> dict[str, Any]:
    """The config of an InputLayer."""
    config = {
        "batch_input_shape": [None, *shape],
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
        "name": name,
    }
    return {"class_name": "InputLayer", "config": config}


def called(entry: dict[str, Any], *nodes: list[Any]) -> dict[str, Any]:
    """A layer in a functional model."""
    return {**entry, "name": entry["config"]["name"], "inbound_nodes": list(nodes)}


def values(*shape: int) -> np.ndarray:
    """Weights."""
    return RNG.uniform(-0.5, 0.5, shape).astype("float32")


def write(
    path: Path,
    weights: dict[str, list[tuple[str, np.ndarray]]],
    model: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    state: list[tuple[str, np.ndarray]] = (),
) -> Path:
    """A file of a model, or without one a file of weights."""
    with h5py.File(path, "w") as h5:
        group = h5
        if model is not None:
            h5.attrs["model_config"] = json.dumps(model).encode()
            group = h5.create_group("model_weights")
        if training is not None:
            h5.attrs["training_config"] = json.dumps(training).encode()
        group.attrs["layer_names"] = [name.encode() for name in weights]
        group.attrs["backend"], group.attrs["keras_version"] = b"tensorflow", b"2.4.0"
        for name, arrays in weights.items():
            _list(group.create_group(name), arrays)
        if state:
            _list(h5.create_group("optimizer_weights"), state)
    return path


def _list(group: Any, arrays: Any) -> None:
    group.attrs["weight_names"] = [name.encode() for name, _ in arrays]
    for name, array in arrays:
        group[name] = array


# ---- a small model ---------------------------------------------------------------

SMALL = {
    "flatten": [],
    "first": [("first/kernel:0", values(4, 3)), ("first/bias:0", values(3))],
    "second": [("second/kernel:0", values(3, 2)), ("second/bias:0", values(2))],
}
LAYERS = [
    {
        "class_name": "Flatten",
        "config": {
            "name": "flatten",
            "trainable": True,
            "batch_input_shape": [None, 2, 2],
            "dtype": "float32",
            "data_format": "channels_last",
        },
    },
    dense("first", 3, "relu"),
    dense("second", 2, "softmax"),
]
X = np.random.default_rng(1).random((5, 2, 2)).astype("float32")


def expected(x: np.ndarray) -> np.ndarray:
    """What a model with the weights SMALL answers."""
    (w, b), (v, c) = ([array for _, array in SMALL[name]] for name in ("first", "second"))
    z = np.exp(np.maximum(x.reshape(len(x), -1) @ w + b, 0) @ v + c)
    return z / z.sum(axis=1, keepdims=True)


def small() -> tinyconv.Sequential:
    """A model that LAYERS describe."""
    return tinyconv.Sequential(
        [
            tinyconv.Input((2, 2)),
            tinyconv.layers.Flatten(),
            tinyconv.layers.Dense(3, "relu", name="first"),
            tinyconv.layers.Dense(2, "softmax", name="second"),
        ]
    )
