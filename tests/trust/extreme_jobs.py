"""What is computed with extreme numbers: layers, losses, heads, optimizers, inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from parity.case import Results
from parity.cases.network import Described, Network
from parity.data import generator
from parity.sides import Side
from parity.sides.base import Batch, fill_weights
from tests.trust.extreme_values import BEYOND, MAGNITUDES, NOT_FINITE, PATTERNS, fill

_IMAGE, _WIDE, _VECTORS = (2, 6, 6, 3), (2, 12, 12, 32), (5, 7)
_AFFINE = ("linear", "relu", "sigmoid", "tanh", "softmax", "elu", "gelu", "leaky_relu")


class Job(NamedTuple):
    """One computation.

    Attributes:
        run: carries it out on a side.
        x: what it is given.
        conv: the algorithm that the numba backend is asked for.
        beyond: the numbers are such that the order of adding decides what overflows.
        floors: by the name of a result, the size of the terms that cancel in it.
    """

    words: str
    run: Callable[[Side], Results]
    x: np.ndarray
    conv: str | None = None
    beyond: bool = False
    floors: dict[str, float] = {}  # noqa: RUF012  (read only)


class Subject(NamedTuple):
    """A layer and its input's shape; `conv`: the numba backend's algorithm."""

    layer: Described
    shape: tuple[int, ...]
    conv: str | None = None
    training: bool = True


def _conv(conv: str | None, shape: tuple[int, ...] = _IMAGE, **arguments: Any) -> Subject:
    made = {"filters": 5, "kernel_size": 3, "padding": "same", **arguments}
    return Subject(("Conv2D", made), shape, conv)


SUBJECTS = (
    *(Subject(("Dense", {"units": 4, "activation": a}), _VECTORS) for a in _AFFINE),
    *(Subject(("Activation", {"activation": a}), _IMAGE) for a in _AFFINE),
    *(_conv(name) for name in ("im2col", "implicit_gemm", "direct")),
    *(_conv(name, activation="relu") for name in ("im2col", "implicit_gemm", "direct")),
    *(_conv(name, _WIDE) for name in ("winograd_2x2", "winograd_4x4")),
    _conv("pointwise", kernel_size=1),
    _conv("implicit_gemm", groups=3, filters=6),
    _conv("implicit_gemm", dilation_rate=2, use_bias=False),
    _conv("im2col", strides=2, padding="valid"),
    *(Subject((cls, {"pool_size": size, "padding": padding, "strides": strides}), _IMAGE)
      for cls in ("MaxPooling2D", "AveragePooling2D")
      for size, strides, padding in ((2, 2, "valid"), (3, 2, "same"), (3, 1, "same"))),
    Subject(("MaxPooling2D", {"pool_size": 18}), (1, 18, 18, 2)),  # more taps than a byte counts
    Subject(("GlobalAveragePooling2D", {}), _IMAGE),
    Subject(("GlobalMaxPooling2D", {}), _IMAGE),
    Subject(("BatchNormalization", {}), (4, 3, 3, 3)),
    Subject(("BatchNormalization", {}), _VECTORS),
    Subject(("BatchNormalization", {"epsilon": 1e-7}), (4, 3, 3, 3)),
    Subject(("BatchNormalization", {}), (4, 3, 3, 3), training=False),
    Subject(("BatchNormalization", {}), (1, 3)),
    Subject(("ReLU", {"max_value": 6.0}), _IMAGE),
    Subject(("ReLU", {"negative_slope": 0.1, "threshold": 1.0, "max_value": 2.0}), _IMAGE),
    Subject(("Softmax", {"axis": 1}), _IMAGE),
    Subject(("Rescaling", {"scale": 1 / 255, "offset": -1.0}), _IMAGE),
    Subject(("ZeroPadding2D", {"padding": 1}), _IMAGE),
    Subject(("Flatten", {}), _IMAGE),
    Subject(("Dropout", {"rate": 0.5}), _IMAGE, training=False),
)  # fmt: skip


def layers(dtype: str) -> Iterator[Job]:
    """Every subject on every input, forward and backward."""
    for subject in SUBJECTS:
        cases = [(p, m) for p in PATTERNS[:5] for m in (*MAGNITUDES, *BEYOND)]
        cases += [(p, 1.0) for p in (*PATTERNS[5:], *NOT_FINITE)]
        for pattern, magnitude in cases:
            x = fill(pattern, subject.shape, magnitude, dtype)
            cls, arguments = subject.layer
            mode = "" if subject.training else ", inference"
            yield Job(
                f"{cls}({arguments}){mode}, {pattern} {magnitude:g}, {dtype}, {subject.conv}",
                _of_layer(subject, x, dtype), x, subject.conv,
                magnitude in BEYOND or pattern in NOT_FINITE, _floors(subject, magnitude),
            )  # fmt: skip


def _floors(subject: Subject, magnitude: float) -> dict[str, float]:
    cls, arguments = subject.layer
    if arguments.get("activation") == "elu":
        return {"output": 1e-3}  # TensorFlow takes 1 from e^z, whose last digit is 6e-8
    if cls != "BatchNormalization":
        return {}
    # dy and x are multiplied by 1 / sqrt(epsilon) before they cancel, if nothing varies.
    stretch = arguments.get("epsilon", 1e-3) ** -0.5
    return {
        "dx": stretch, "gamma": 100 * magnitude * stretch, "moving_variance": magnitude**2,
    }  # fmt: skip


def _of_layer(subject: Subject, x: np.ndarray, dtype: str) -> Callable[[Side], Results]:
    def run(side: Side) -> Results:
        cls, arguments = subject.layer
        layer = getattr(side.library.layers, cls)(**arguments)
        side.build(layer, x.shape)
        fill_weights(layer, dtype)
        return side.layer(layer, [x], subject.training)

    return run


_LOSSES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SparseCategoricalCrossentropy", {}), ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}),
    ("CategoricalCrossentropy", {"from_logits": True}), ("BinaryCrossentropy", {}),
    ("BinaryCrossentropy", {"from_logits": True}), ("MeanSquaredError", {}),
)  # fmt: skip


def _targets(cls: str, rows: int, units: int, dtype: str) -> np.ndarray:
    classes = generator("classes", units).integers(0, units, rows)
    if cls.startswith("Sparse"):
        return classes
    if cls.startswith("Binary"):
        return (classes[:, None] == np.arange(units)).astype(dtype)
    return np.eye(units)[classes].astype(dtype)


def losses(dtype: str) -> Iterator[Job]:
    """Of logits, and of what should be probabilities but may be anything."""
    for cls, arguments in _LOSSES:
        probabilities = not arguments.get("from_logits") and cls != "MeanSquaredError"
        for pattern in (*PATTERNS, *NOT_FINITE):
            for magnitude in (*MAGNITUDES, 80.0, 1e3, 1e4) if pattern in PATTERNS[:5] else (1.0,):
                predicted = fill(pattern, (6, 4), magnitude, dtype)
                if probabilities:
                    predicted = np.abs(predicted)
                yield Job(
                    f"{cls}({arguments}), {pattern} {magnitude:g}, {dtype}",
                    _of_loss(cls, arguments, predicted, dtype), predicted,
                )  # fmt: skip


def _of_loss(cls: str, arguments: Any, predicted: Any, dtype: str) -> Callable[[Side], Results]:
    def run(side: Side) -> Results:
        loss = getattr(side.library.losses, cls)(**arguments)
        return side.loss(loss, _targets(cls, 6, 4, dtype), predicted, None)

    return run


def heads(dtype: str) -> Iterator[Job]:
    """Saturated softmax and sigmoid before their losses, on the way that `fit` takes."""
    for activation, cls in (
        ("softmax", "SparseCategoricalCrossentropy"), ("softmax", "CategoricalCrossentropy"),
        ("sigmoid", "BinaryCrossentropy"), ("softmax", "MeanSquaredError"),
        (None, "MeanSquaredError"),
    ):  # fmt: skip
        for scale in (0.0, *MAGNITUDES, 50.0, 1e3, 1e5):
            network = Network(
                (7,),
                (
                    ("Rescaling", {"scale": scale}),
                    ("Dense", {"units": 6, "activation": "relu"}),
                    ("Dense", {"units": 4, "activation": activation}),
                ),
            )
            x = fill("normal", (6, 7), 1.0, dtype)
            yield Job(
                f"{activation} and {cls}, inputs times {scale:g}, {dtype}",
                _of_head(network, cls, x, dtype), x * max(scale, 1.0),
            )  # fmt: skip


def _of_head(network: Network, cls: str, x: Any, dtype: str) -> Callable[[Side], Results]:
    def run(side: Side) -> Results:
        model = network.build(side, dtype)
        side.compile(model, "sgd", getattr(side.library.losses, cls)())
        return side.gradients(model, Batch(x, _targets(cls, 6, 4, dtype)))

    return run


_OPTIMIZERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SGD", {}), ("SGD", {"momentum": 0.9}), ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"clipnorm": 1.0}), ("SGD", {"global_clipnorm": 1.0}), ("SGD", {"clipvalue": 0.5}),
    ("RMSprop", {}), ("RMSprop", {"momentum": 0.9, "centered": True}), ("Adam", {}),
    ("Adam", {"amsgrad": True}), ("Adam", {"global_clipnorm": 1.0}), ("AdamW", {}),
)  # fmt: skip


def optimizers(dtype: str) -> Iterator[Job]:
    """Six steps with gradients of one size, or of sizes far apart."""
    for cls, arguments in _OPTIMIZERS:
        for pattern in PATTERNS[:6]:
            for magnitude in (*MAGNITUDES, 1e30):
                if "clipnorm" in str(arguments) and magnitude > 1e18 and dtype == "float32":
                    continue  # tf.keras' norm overflows; test_extremes.py has tinyconv's
                yield Job(
                    f"{cls}({arguments}), gradients {pattern} {magnitude:g}, {dtype}",
                    _of_optimizer(cls, arguments, pattern, magnitude, dtype), np.ones(1),
                )  # fmt: skip


def _of_optimizer(
    cls: str, arguments: Any, pattern: str, magnitude: float, dtype: str
) -> Callable[[Side], Results]:
    def run(side: Side) -> Results:
        start = [np.ones((3, 2), dtype), np.full(4, -0.5, dtype)]
        steps = [
            [fill(pattern, each.shape, magnitude / 3**step, dtype) for each in start]
            for step in range(6)
        ]
        moved = side.optimize(getattr(side.library.optimizers, cls)(**arguments), start, steps)
        return {f"weights {place}": value for place, value in enumerate(moved)}

    return run


_KINDS = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16",
    "float32", "float64",
)  # fmt: skip
_NETWORKS = (
    ("Conv2D", {"filters": 4, "kernel_size": 3}), ("MaxPooling2D", {}), ("Flatten", {}),
    ("BatchNormalization", {}), ("Rescaling", {"scale": 1 / 255}), ("AveragePooling2D", {}),
    ("GlobalMaxPooling2D", {}), ("Dense", {"units": 3}), ("Softmax", {}),
)  # fmt: skip


def inputs(dtype: str) -> Iterator[Job]:
    """Models given other numbers than those they compute with, from the least to the largest."""
    for kind in _KINDS:
        if kind == "bool":
            ends: tuple[float, ...] = (0, 1)
        elif kind.startswith("float"):
            ends = (float(np.finfo(kind).min), float(np.finfo(kind).max))
        else:
            ends = (np.iinfo(kind).min, np.iinfo(kind).max)
        for cls, arguments in _NETWORKS:
            for extreme in (False, True):
                x = generator(kind, cls).integers(0, 2 if kind == "bool" else 100, _IMAGE)
                x = x.astype(kind)
                if extreme:
                    x[0, 0, 0, 0], x[1, 3, 3, 2] = ends
                network = Network(_IMAGE[1:], ((cls, arguments),))
                seen, beyond = _cast(x, dtype), extreme and kind.startswith("float")
                yield Job(
                    f"{cls}({arguments}) on {kind}, {'with' if extreme else 'without'} its "
                    f"extremes, {dtype}",
                    _of_model(network, x, dtype), seen, None, beyond,
                )  # fmt: skip


def _cast(x: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def _of_model(network: Network, x: Any, dtype: str) -> Callable[[Side], Results]:
    def run(side: Side) -> Results:
        return {"output": np.asarray(network.build(side, dtype)(x))}

    return run


PARTS: dict[str, Callable[[str], Iterator[Job]]] = {
    "layers": layers, "losses": losses, "heads": heads, "optimizers": optimizers, "inputs": inputs,
}  # fmt: skip
