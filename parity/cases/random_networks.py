"""Whole networks that nobody thought of: hypothesis draws a description, both libraries build it.

One step on one batch makes the loss, the output, every gradient and every statistic comparable.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from parity.case import Case, Results
from parity.cases.network import Described, Network, make
from parity.data import Array, draw, generator
from parity.sides.base import Batch, Side
from parity.tolerances import NETWORK

QUICK, FULL = 12, 60  # examples

_N = 4
# Functions without an inexact constant, see tolerances.FLOAT32_CONSTANT; relu has most of the
# kinks, so it comes more often.
_ACTIVATIONS = st.sampled_from([None, "relu", "relu", "tanh", "sigmoid", "elu", "softmax"])
_SIZES = st.integers(1, 3)


class Example(NamedTuple):
    """A network with the loss behind it."""

    network: Network
    loss: Described
    weighted: bool

    @property
    def words(self) -> str:
        """All of it, for whoever has to find out why it is red."""
        weighted = ", sample weights" if self.weighted else ""
        return f"{self.network.words} → {self.loss[0]}({self.loss[1]}){weighted}"


def _optional(draw_one: st.DrawFn, arguments: dict[str, st.SearchStrategy[Any]]) -> dict[str, Any]:
    """Some of the arguments, the others left to their defaults."""
    return {name: draw_one(values) for name, values in arguments.items() if draw_one(st.booleans())}


@st.composite
def _conv(draw_one: st.DrawFn, shape: tuple[int, ...]) -> Described:
    H, W, C = shape
    size = draw_one(st.tuples(_SIZES, _SIZES))
    groups = draw_one(st.sampled_from([g for g in (1, 2, 3) if C % g == 0]))
    arguments: dict[str, Any] = {
        "filters": groups * draw_one(_SIZES),
        "kernel_size": size,
        "groups": groups,
        **_optional(draw_one, {"activation": _ACTIVATIONS, "use_bias": st.booleans()}),
    }
    # Keras takes either strides or a dilation.
    spread = draw_one(st.sampled_from(["", "strides", "dilation_rate"]))
    pair = draw_one(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    if spread:
        arguments[spread] = pair
    rate = pair if spread == "dilation_rate" else (1, 1)
    fits = all((k - 1) * d < n for k, d, n in zip(size, rate, (H, W), strict=True))
    if not fits or draw_one(st.booleans()):
        arguments["padding"] = "same"
    return "Conv2D", arguments


@st.composite
def _pool(draw_one: st.DrawFn, shape: tuple[int, ...]) -> Described:
    H, W, _ = shape
    size = draw_one(st.tuples(_SIZES, _SIZES))
    arguments: dict[str, Any] = {"pool_size": size, **_optional(draw_one, {"strides": _SIZES})}
    if size[0] > H or size[1] > W or draw_one(st.booleans()):
        arguments["padding"] = "same"
    return draw_one(st.sampled_from(["MaxPooling2D", "AveragePooling2D"])), arguments


def _pad(shape: tuple[int, ...]) -> st.SearchStrategy[Described]:
    padding = st.tuples(_SIZES, _SIZES)
    return st.tuples(st.just("ZeroPadding2D"), st.fixed_dictionaries({"padding": padding}))


def _elementwise(shape: tuple[int, ...] = ()) -> st.SearchStrategy[Described]:
    """Layers that take any shape, and keep it."""

    def described(cls: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Described]:
        return st.tuples(st.just(cls), st.fixed_dictionaries({}, optional=arguments))

    return st.one_of(
        described("BatchNormalization", center=st.booleans(), scale=st.booleans(),
                  momentum=st.sampled_from([0.5, 0.9]), epsilon=st.sampled_from([0.125, 1e-2])),
        described("ReLU", max_value=st.sampled_from([1.0, 6.0]),
                  negative_slope=st.sampled_from([0.0, 0.25])),
        st.tuples(st.just("Activation"),
                  st.fixed_dictionaries({"activation": _ACTIVATIONS.filter(bool)})),
        described("Rescaling", offset=st.sampled_from([0.5, -1.0])).map(
            lambda pair: (pair[0], {"scale": 0.5, **pair[1]})),
        st.just(("Dropout", {"rate": 0.0})),
    )  # fmt: skip


@st.composite
def networks(draw_one: st.DrawFn) -> Example:
    """One to four layers on images, a way to vectors, up to two Dense layers and a head."""
    shape = draw_one(st.tuples(st.integers(3, 8), st.integers(3, 8), _SIZES))
    layers: list[Described] = []
    current: tuple[int, ...] = shape
    for _ in range(draw_one(st.integers(1, 4))):
        kind = draw_one(st.sampled_from([_conv, _conv, _pool, _pad, _elementwise]))
        layers.append(draw_one(kind(current)))
        current = _output_shape(layers[-1], current)
    vectors = st.sampled_from(["Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D"])
    layers.append((draw_one(vectors), {}))
    for _ in range(draw_one(st.integers(0, 2))):
        units = draw_one(st.integers(1, 6))
        layers.append(("Dense", {"units": units, "activation": draw_one(_ACTIVATIONS)}))
        if draw_one(st.booleans()):
            layers.append(draw_one(_elementwise()))
    activation, loss = draw_one(st.sampled_from(_HEADS))
    classes = draw_one(st.integers(1 if activation in ("sigmoid", None) else 2, 5))
    layers.append(("Dense", {"units": classes, "activation": activation}))
    return Example(Network(shape, tuple(layers)), loss, draw_one(st.booleans()))


_HEADS: list[tuple[str | None, Described]] = [
    ("softmax", ("SparseCategoricalCrossentropy", {})),
    ("softmax", ("CategoricalCrossentropy", {"label_smoothing": 0.125})),
    ("sigmoid", ("BinaryCrossentropy", {})),
    (None, ("MeanSquaredError", {})),
    (None, ("BinaryCrossentropy", {"from_logits": True})),
    ("softmax", ("MeanSquaredError", {})),
]


def _output_shape(layer: Described, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape after the layer, by tinyconv; that Keras agrees is part of what is compared."""
    from tinyconv import layers

    made = getattr(layers, layer[0])(**layer[1])
    return tuple(int(n or 0) for n in made.compute_output_shape((None, *shape))[1:])


def targets(example: Example, dtype: str) -> Array:
    """What the loss of this example expects."""
    units = example.network.layers[-1][1]["units"]
    source = generator("targets", example.loss[0], units)
    if example.loss[0] == "SparseCategoricalCrossentropy":
        return source.integers(0, units, _N)
    if example.loss[0] == "CategoricalCrossentropy":
        return np.eye(units)[source.integers(0, units, _N)].astype(dtype)
    if example.loss[0] == "BinaryCrossentropy":
        return source.integers(0, 2, (_N, units)).astype(dtype)
    return source.standard_normal((_N, units)).astype(dtype)


def network_case(example: Example, name: str = "") -> Case:
    """Both libraries build the description and take one step."""

    def measure(side: Side, dtype: str) -> Results:
        model = example.network.build(side, dtype)
        side.compile(model, "sgd", make(side, "losses", example.loss))
        x = draw("normal", (_N, *example.network.shape)).astype(dtype)
        weight = draw("pixels", (_N,)).astype(dtype) if example.weighted else None
        results = side.gradients(model, Batch(x, targets(example, dtype), weight))
        whole = side.layer(example.network.build(side, dtype), [x], True)
        return {**results, "dx": whole["dx"]}

    return Case(
        "random networks", name or example.words, measure, example.network.layers,
        tolerance=NETWORK, note=example.words, floor=1e-2, conditioned=True,
    )  # fmt: skip


def count(quick: bool) -> int:
    """How many to draw unless somebody says so."""
    return QUICK if quick else FULL


def cases(examples: int) -> list[Case]:
    """That many different networks, the same in every run."""
    found: dict[str, Example] = {}

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(networks())
    def collect(example: Example) -> None:
        found.setdefault(example.words, example)

    collect()
    return [
        network_case(example, f"{place}: {len(example.network.layers)} layers")
        for place, example in enumerate(found.values(), 1)
    ]
