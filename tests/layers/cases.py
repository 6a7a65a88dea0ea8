"""Configurations of every layer, drawn at random: `CASES[Conv2D]` is a strategy of `Case`s."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from tests.strategies import batches, convolutions, images, windows
from tinyconv import Sequential, activations, layers, random
from tinyconv.backends.base import Activation
from tinyconv.geometry import Window
from tinyconv.layers import Layer

ACTIVATIONS = (
    "linear", "relu", "sigmoid", "tanh", "softmax", "elu", "gelu", "leaky_relu",
    activations.rectifier(0.25, 2.0, 0.5), Activation("elu", 0.5), Activation("gelu_tanh"),
)  # fmt: skip


class Case(NamedTuple):
    """A layer to be, and the shape of an input for it, or a list of shapes."""

    make: Callable[..., Layer]
    arguments: dict[str, Any]
    shape: Any
    training: bool = True

    def layer(self, dtype: str = "float64", seed: int = 0, **changes: Any) -> Layer:
        """Built, with no weight left at 0 or 1, where a wrong gradient could hide."""
        random.set_seed(seed)
        layer = self.make(**{**self.arguments, "dtype": dtype, **changes})
        layer.ensure_built(every(lambda shape: (None, *shape[1:]), self.shape))
        randomize(layer, seed)
        return layer

    def x(self, dtype: str = "float64", seed: int = 0) -> Any:
        generator = np.random.default_rng(seed)
        return every(lambda shape: generator.standard_normal(shape).astype(dtype), self.shape)

    @property
    def rank(self) -> int:
        return len(self.shape[0] if isinstance(self.shape, list) else self.shape)


def every(function: Callable[[Any], Any], values: Any) -> Any:
    """function of the only input, or of each in the list of inputs."""
    return [function(value) for value in values] if isinstance(values, list) else function(values)


def randomize(layer: Layer, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for weight in layer.weights:
        values = generator.standard_normal(weight.shape)
        weight.assign(0.5 + values**2 if weight.name == "moving_variance" else values)


def cases(
    make: Callable[..., Layer],
    shape: st.SearchStrategy = batches(),  # noqa: B008  (a strategy is immutable)
    training: st.SearchStrategy = st.booleans(),  # noqa: B008
    **arguments: st.SearchStrategy,
) -> st.SearchStrategy[Case]:
    return st.builds(Case, st.just(make), st.fixed_dictionaries(arguments), shape, training)


AFFINE = {
    "activation": st.sampled_from(ACTIVATIONS),
    "use_bias": st.booleans(),
    "trainable": st.booleans(),
}
SHAPES = st.one_of(batches(), st.tuples(*(st.integers(1, 4) for _ in range(3))))
IMAGES = st.tuples(*(st.integers(1, 4) for _ in range(4)))


def named_padding(window: Window) -> str:
    return "valid" if window.padding == ((0, 0), (0, 0)) else "same"


@st.composite
def conv2d(draw: st.DrawFn) -> Case:
    convolution = draw(convolutions())
    window = convolution.window
    arguments = {
        "filters": convolution.filters,
        "kernel_size": window.size,
        "strides": window.strides,
        "padding": named_padding(window),
        "dilation_rate": window.dilation,
        "groups": convolution.groups,
        **{name: draw(strategy) for name, strategy in AFFINE.items()},
    }
    return Case(layers.Conv2D, arguments, convolution.shapes["x"], draw(st.booleans()))


@st.composite
def pooling(draw: st.DrawFn, make: Callable[..., Layer]) -> Case:
    window = draw(windows())
    strides = None if window.strides == window.size else window.strides
    arguments = {"pool_size": window.size, "strides": strides, "padding": named_padding(window)}
    return Case(make, arguments, draw(images(window)), draw(st.booleans()))


@st.composite
def relu(draw: st.DrawFn) -> Case:
    threshold = draw(st.sampled_from([0.0, 0.5]))
    arguments = {
        "threshold": threshold,
        "max_value": draw(st.sampled_from([None, 0.25, 0.75, 2.0])),
        "negative_slope": draw(st.sampled_from([0.0, 0.25])),
    }
    return Case(layers.ReLU, arguments, draw(SHAPES), draw(st.booleans()))


@st.composite
def softmax(draw: st.DrawFn) -> Case:
    shape = draw(SHAPES)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return Case(layers.Softmax, {"axis": axis}, shape, draw(st.booleans()))


@st.composite
def reshape(draw: st.DrawFn) -> Case:
    shape = draw(SHAPES)
    values = math.prod(shape[1:])
    divisor = draw(st.sampled_from([n for n in range(1, values + 1) if values % n == 0]))
    target = draw(st.sampled_from([(-1,), (divisor, -1), (-1, 1, divisor), shape[:0:-1]]))
    return Case(layers.Reshape, {"target_shape": target}, shape, draw(st.booleans()))


@st.composite
def input_layer(draw: st.DrawFn) -> Case:
    shape = draw(SHAPES)
    return Case(layers.InputLayer, {"shape": shape[1:]}, shape, draw(st.booleans()))


@st.composite
def add(draw: st.DrawFn) -> Case:
    """Some inputs have length 1 where others do not."""
    whole = draw(SHAPES)
    flags = st.lists(st.booleans(), min_size=len(whole) - 1, max_size=len(whole) - 1)
    shapes = [
        (whole[0], *(n if keep else 1 for n, keep in zip(whole[1:], draw(flags), strict=True)))
        for _ in range(draw(st.integers(0, 3)))
    ]
    place = draw(st.integers(0, len(shapes)))
    shapes.insert(place, whole)
    return Case(layers.Add, {}, shapes, draw(st.booleans()))


@st.composite
def concatenate(draw: st.DrawFn) -> Case:
    shape = draw(SHAPES)
    axis = draw(st.integers(1, len(shape) - 1))
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    shapes = [(*shape[:axis], n, *shape[axis + 1 :]) for n in lengths]
    arguments = {"axis": draw(st.sampled_from([axis, axis - len(shape)]))}
    return Case(layers.Concatenate, arguments, shapes, draw(st.booleans()))


def nested_network(
    activation: Any, padding: str, frozen: bool, dtype: str, **base: Any
) -> Sequential:
    """Every kind of layer that can stand in a chain, one of them a chain itself."""
    block = Sequential(
        [
            layers.Conv2D(2, 2, padding=padding, name="conv", dtype=dtype, trainable=not frozen),
            layers.BatchNormalization(name="norm", dtype=dtype),
            layers.Activation(activation, dtype=dtype),
        ],
        name="block",
        dtype=dtype,
    )
    return Sequential(
        [
            layers.Rescaling(0.5, 0.1, dtype=dtype),
            block,
            layers.MaxPooling2D(2, padding="same", dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dropout(0.3, dtype=dtype),
            layers.Dense(3, "softmax", name="dense", dtype=dtype),
        ],
        dtype=dtype,
        **base,
    )


SIDES = st.tuples(st.integers(0, 2), st.integers(0, 2))

CASES: dict[Callable[..., Layer], st.SearchStrategy[Case]] = {
    layers.Activation: cases(
        layers.Activation, SHAPES, activation=st.sampled_from([*ACTIVATIONS, None])
    ),
    layers.Add: add(),
    layers.AveragePooling2D: pooling(layers.AveragePooling2D),
    layers.BatchNormalization: cases(
        layers.BatchNormalization, SHAPES,
        center=st.booleans(), scale=st.booleans(), trainable=st.booleans(),
        momentum=st.sampled_from([0.0, 0.5, 0.99]), epsilon=st.sampled_from([1e-3, 0.1]),
    ),
    layers.Concatenate: concatenate(),
    layers.Conv2D: conv2d(),
    layers.Dense: cases(layers.Dense, SHAPES, units=st.integers(1, 4), **AFFINE),
    layers.Dropout: cases(
        layers.Dropout, SHAPES,
        rate=st.sampled_from([0.0, 0.3, 0.9]), seed=st.sampled_from([None, 7]),
    ),
    layers.Flatten: cases(layers.Flatten, SHAPES),
    layers.GlobalAveragePooling2D: cases(
        layers.GlobalAveragePooling2D, IMAGES, keepdims=st.booleans()
    ),
    layers.GlobalMaxPooling2D: cases(layers.GlobalMaxPooling2D, IMAGES, keepdims=st.booleans()),
    layers.InputLayer: input_layer(),
    layers.MaxPooling2D: pooling(layers.MaxPooling2D),
    layers.ReLU: relu(),
    layers.Rescaling: cases(
        layers.Rescaling, SHAPES,
        scale=st.sampled_from([1 / 255, -2.0]), offset=st.sampled_from([0.0, -1.0]),
    ),
    layers.Reshape: reshape(),
    layers.Softmax: softmax(),
    layers.ZeroPadding2D: cases(
        layers.ZeroPadding2D, IMAGES,
        padding=st.one_of(st.integers(0, 2), SIDES, st.tuples(SIDES, SIDES)),
    ),
    nested_network: cases(
        nested_network, IMAGES.filter(lambda shape: shape[1] > 1 and shape[2] > 1),
        activation=st.sampled_from(ACTIVATIONS), padding=st.sampled_from(["valid", "same"]),
        frozen=st.booleans(),
    ),
}  # fmt: skip


def exported_layers() -> set[type[Layer]]:
    """Every layer class of tinyconv.layers, whatever names it goes by."""
    found = {getattr(layers, name) for name in layers.__all__}
    return {cls for cls in found if isinstance(cls, type) and issubclass(cls, Layer)} - {Layer}


def name_of(make: Callable[..., Layer]) -> str:
    return make.__name__
