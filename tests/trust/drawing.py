"""Configurations of layers, drawn by number: `draw(17)` is the same in every run.

Sizes are awkward on purpose: single pixels, single samples, prime numbers of channels, windows
larger than the image, strides larger than the window, and now and then an empty batch.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from parity.cases.network import Described
from tests.strategies import LAYOUTS
from tinyconv import geometry

ACTIVATIONS = (
    None, "linear", "relu", "relu", "sigmoid", "tanh", "softmax", "elu", "gelu", "leaky_relu",
)  # fmt: skip
VALUES = ("normal", "normal", "negative", "ties", "sparse", "constant", "pixels", "large")
SIDES, LONG_SIDES = (1, 2, 3, 4, 5, 7), (1, 3, 6, 8, 9, 11, 13, 17)
CHANNELS, MANY_CHANNELS = (1, 2, 3, 5), (1, 3, 4, 7, 8, 13, 16, 17, 31, 32)
BATCHES = (1, 1, 2, 3)
NAIVE_PRODUCTS = 20_000  # of a convolution, from which on loops in Python take too long
MOST_PRODUCTS = 3_000_000

Shape = tuple[int, ...]


class Config(NamedTuple):
    """One layer, or a few that a backend may fuse, with an input.

    Attributes:
        layers: a class and its arguments each.
        shape: of the input, batch included, or a list of shapes.
        values: what the input holds; see `parity.data.draw`.
        large: too many products for the naive loops.
    """

    index: int
    layers: tuple[Described, ...]
    shape: Any
    values: str
    training: bool
    dtype: str
    layout: str
    large: bool = False

    @property
    def words(self) -> str:
        """All of it, for whoever has to find out why it is red."""
        told = ", then ".join(
            f"{cls}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
            for cls, arguments in self.layers
        )
        mode = "training" if self.training else "inference"
        return (
            f"{self.index}: {told} on {self.shape} of {self.dtype}, {self.values}, {self.layout}, "
            f"{mode}"
        )

    @property
    def empty(self) -> bool:
        """Whether the batch holds nothing."""
        return not isinstance(self.shape, list) and self.shape[0] == 0


def draw(index: int, seed: int = 0) -> Config:
    """Number `index` of an endless list."""
    source = random.Random(f"{seed} {index}")
    make = source.choices(list(_KINDS), weights=list(_KINDS.values()))[0]
    layers, shape, large = make(source)
    if not isinstance(shape, list) and source.random() < 0.02:
        shape = (0, *shape[1:])
    values = source.choice(VALUES)
    if any(cls == "BatchNormalization" for cls, _ in layers) and (
        len(layers) > 1 or layers[0][1].get("epsilon", 1) < 1e-3
    ):  # where a variance may be 0 that is but rounding; extremes.py has those
        values = source.choice(("normal", "ties", "sparse", "pixels"))
    if values in ("ties", "sparse") and _rounds_at_a_kink(layers):
        values = "normal"
    return Config(
        index, tuple(layers), shape, values, source.random() < 0.7,
        source.choice(("float32", "float32", "float64")), source.choice(LAYOUTS), large,
    )  # fmt: skip


def _rounds_at_a_kink(layers: list[Described]) -> bool:
    """Whether a sum that is exactly 0 decides a slope, and Winograd's algorithm would round it."""
    cls, arguments = layers[0]
    return (
        cls == "Conv2D"
        and _pair(arguments["kernel_size"]) == (3, 3)
        and (len(layers) > 1 or arguments.get("activation") in ("relu", "leaky_relu"))
    )


Drawn = tuple[list[Described], Any, bool]


def _optional(source: random.Random, **choices: Any) -> dict[str, Any]:
    """Some of the arguments, the others left to their defaults."""
    return {
        name: source.choice(values) for name, values in choices.items() if source.random() < 0.6
    }


def _either(source: random.Random, numbers: tuple[int, ...]) -> Any:
    """A number, or a pair."""
    pair = (source.choice(numbers), source.choice(numbers))
    return pair if source.random() < 0.5 else pair[0]


def _image(source: random.Random, large: bool) -> Shape:
    sides = LONG_SIDES if large else SIDES
    channels = MANY_CHANNELS if large else CHANNELS
    return (
        source.choice(BATCHES), source.choice(sides), source.choice(sides), source.choice(channels)
    )  # fmt: skip


def _vectors(source: random.Random) -> Shape:
    """Two to four axes."""
    inner = [source.choice(SIDES) for _ in range(source.randrange(3))]
    return (source.choice((1, 2, 3, 7, 16)), *inner, source.choice((1, 2, 3, 5, 7, 13, 67)))


def _any(source: random.Random) -> Shape:
    return _image(source, False) if source.random() < 0.5 else _vectors(source)


def _pair(value: Any) -> geometry.Pair:
    return (value, value) if isinstance(value, int) else value


def _padded(
    source: random.Random, shape: Shape, size: Any, strides: Any, dilation: Any = 1
) -> tuple[str, geometry.Window]:
    """A padding with which the window fits, and the window."""
    triple = _pair(size), _pair(strides), _pair(dilation)
    if source.random() < 0.5:
        try:
            return "valid", geometry.slide(shape[1:3], *triple[:2], "valid", triple[2])
        except ValueError:  # it does not fit
            pass
    return "same", geometry.slide(shape[1:3], *triple[:2], "same", triple[2])


def _conv2d(source: random.Random, square: bool = False) -> Drawn:
    """`square`: 3x3 with stride 1 and many pixels, where Winograd is."""
    large = square or source.random() < 0.2
    while True:
        groups = source.choice((1, 1, 1, 1, 2, 3, 5)) if not square else 1
        N, H, W, C = _image(source, large)
        filters = groups * source.choice(MANY_CHANNELS if large else CHANNELS)
        size, strides, dilation = 3, 1, 1
        if not square:
            size = _either(source, (1, 1, 2, 3, 3, 4, 5, 7))
            spread = source.choice(("", "strides", "dilation", "both" if not large else ""))
            if spread in ("strides", "both"):
                strides = _either(source, (1, 2, 2, 3, 4))
            if spread in ("dilation", "both"):
                dilation = _either(source, (1, 2, 3))
        shape = (N, H, W, C * groups)
        padding, window = _padded(source, shape, size, strides, dilation)
        products = N * math.prod(window.output) * math.prod(window.size) * C * filters
        if products <= (MOST_PRODUCTS if large else NAIVE_PRODUCTS):
            break
    arguments = {
        "filters": filters, "kernel_size": size, "strides": strides, "padding": padding,
        "dilation_rate": dilation, "groups": groups,
        **_optional(source, activation=ACTIVATIONS, use_bias=(True, False)),
        **({"trainable": False} if source.random() < 0.1 else {}),
    }  # fmt: skip
    return [("Conv2D", arguments)], shape, products > NAIVE_PRODUCTS


def _square(source: random.Random) -> Drawn:
    return _conv2d(source, square=True)


def _dense(source: random.Random) -> Drawn:
    arguments = {
        "units": source.choice((1, 2, 3, 5, 7, 13, 61)),
        **_optional(source, activation=ACTIVATIONS, use_bias=(True, False)),
        **({"trainable": False} if source.random() < 0.1 else {}),
    }
    return [("Dense", arguments)], _vectors(source), False


def _pool(source: random.Random) -> Drawn:
    shape = _image(source, source.random() < 0.3)
    size = _either(source, (1, 2, 2, 3, 4, 5, 17))
    strides = source.choice((None, _either(source, (1, 2, 3, 5))))
    padding, _ = _padded(source, shape, size, size if strides is None else strides)
    arguments = {"pool_size": size, "strides": strides, "padding": padding}
    return [(source.choice(("MaxPooling2D", "AveragePooling2D")), arguments)], shape, False


def _global_pool(source: random.Random) -> Drawn:
    cls = source.choice(("GlobalAveragePooling2D", "GlobalMaxPooling2D"))
    return [(cls, _optional(source, keepdims=(True, False)))], _image(source, False), False


def _normalization_arguments(source: random.Random, least: float = 0.0) -> dict[str, Any]:
    epsilons = tuple(each for each in (1e-7, 1e-5, 1e-2, 1.0, 100.0) if each >= least)
    return _optional(
        source, momentum=(0.0, 0.5, 0.9, 1.0), epsilon=epsilons,
        center=(True, False), scale=(True, False), trainable=(True, True, False),
    )  # fmt: skip


def _batch_norm(source: random.Random) -> Drawn:
    return [("BatchNormalization", _normalization_arguments(source))], _any(source), False


def _relu_arguments(source: random.Random) -> dict[str, Any]:
    return _optional(
        source, max_value=(None, 0.5, 2.0, 6.0), negative_slope=(0.0, 0.125, 1.5),
        threshold=(0.0, 0.5, 1.0),
    )  # fmt: skip


def _elementwise(source: random.Random) -> Drawn:
    shape = _any(source)
    cls, arguments = source.choice(
        [
            ("Activation", {"activation": source.choice([a for a in ACTIVATIONS if a])}),
            ("ReLU", _relu_arguments(source)),
            ("Softmax", _optional(source, axis=range(-len(shape) + 1, len(shape)))),
            ("Rescaling", {"scale": source.choice((1 / 255, -2.0, 0.0)),
                           **_optional(source, offset=(0.0, -1.0))}),
            ("Dropout", {"rate": source.choice((0.0, 0.3, 0.9)), "seed": 3}),
        ]
    )  # fmt: skip
    return [(cls, arguments)], shape, False


def _moving(source: random.Random) -> Drawn:
    """Layers that only move values."""
    shape = _any(source)
    count = math.prod(shape[1:])
    divisor = source.choice([n for n in range(1, count + 1) if count % n == 0])
    targets = ((-1,), (divisor, -1), (-1, 1, divisor), shape[:0:-1])
    sides = (0, 1, 2, 3)
    cls = source.choice(("Flatten", "Reshape", "ZeroPadding2D", "InputLayer"))
    if cls == "ZeroPadding2D":
        shape = _image(source, False)
        padding = source.choice(
            [
                source.choice(sides),
                (source.choice(sides), source.choice(sides)),
                tuple((source.choice(sides), source.choice(sides)) for _ in range(2)),
            ]
        )
        return [(cls, {"padding": padding})], shape, False
    arguments = {"Reshape": {"target_shape": source.choice(targets)},
                 "InputLayer": {"shape": shape[1:]}}  # fmt: skip
    return [(cls, arguments.get(cls, {}))], shape, False


def _merge(source: random.Random) -> Drawn:
    whole, count = _any(source), source.randrange(1, 5)
    if source.random() < 0.5:
        # Keras reads (N, 1) along the wrong axis where another is of length N (see
        # docs/differences.md), so none is.
        whole = (11, *whole[1:])
        shapes = [
            (whole[0], *(1 if source.random() < 0.2 else n for n in whole[1:]))
            for _ in range(count)
        ]
        return [("Add", {})], shapes, False
    axis = source.randrange(1, len(whole))
    shapes = [(*whole[:axis], source.choice(SIDES), *whole[axis + 1 :]) for _ in range(count)]
    return [("Concatenate", {"axis": source.choice((axis, axis - len(whole)))})], shapes, False


def _block(source: random.Random) -> Drawn:
    """What a model's plan makes one operation of."""
    layers, shape, large = (_conv2d if source.random() < 0.7 else _dense)(source)
    cls, arguments = layers[0]
    affine = (cls, {k: v for k, v in arguments.items() if k not in ("activation", "trainable")})
    activation = source.choice(ACTIVATIONS)
    plan = source.choice(("normalized", "activated", "fused"))
    norm = ("BatchNormalization", _normalization_arguments(source, least=1e-2))
    relu = source.choice([("ReLU", {}), ("ReLU", _relu_arguments(source)),
                          ("Activation", {"activation": activation or "relu"})])  # fmt: skip
    chain = {
        "normalized": [affine, norm, relu],
        "activated": [affine, relu],
        "fused": [(cls, {**affine[1], "activation": activation})],
    }[plan]
    if cls == "Conv2D" and source.random() < 0.6:
        chain.append(("MaxPooling2D", {"pool_size": 2, "strides": None, "padding": "same"}))
    if cls == "Conv2D" and source.random() < 0.3:
        chain.append(("Flatten", {}))
    return chain, shape, large


_KINDS: dict[Callable[[random.Random], Drawn], int] = {
    _conv2d: 30, _square: 8, _dense: 9, _pool: 12, _global_pool: 4, _batch_norm: 9,
    _elementwise: 9, _moving: 5, _merge: 5, _block: 16,
}  # fmt: skip
