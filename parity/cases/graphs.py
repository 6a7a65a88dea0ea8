"""Functional models: what a value or a layer that is used more than once does to the gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.cases.graph import Call, Graph
from parity.cases.network import Described, make
from parity.cases.trajectories import start
from parity.data import Array, draw, generator
from parity.sides.base import Batch, Side, as_list, fill_weights, key
from parity.tolerances import STEP

N = 4
_STEPS = 5


def _dense(units: int, activation: str | None = "tanh") -> Described:
    return "Dense", {"units": units, "activation": activation}


def _conv(filters: int, **arguments: Any) -> Described:
    return "Conv2D", {"filters": filters, "kernel_size": 3, "padding": "same", **arguments}


_NORM: Described = ("BatchNormalization", {"momentum": 0.5})
_RELU: Described = ("ReLU", {})
_ADD: Described = ("Add", {})
_JOIN: Described = ("Concatenate", {})

DIAMOND = Graph(
    ((5,),),
    (_dense(6), _dense(4), _dense(4, "sigmoid"), _ADD, _dense(3, None)),
    (Call(0, (0,)), Call(1, (1,)), Call(2, (1,)), Call(3, (2, 3)), Call(4, (4,))),
    (5,),
)
SHARED = Graph(
    ((5,), (5,)),
    (_dense(4), _JOIN, _dense(3, None)),
    (Call(0, (0,)), Call(0, (1,)), Call(1, (2, 3)), Call(2, (4,))),
    (5,),
)
DEEP_SHARED = Graph(  # one layer three times, twice in a row
    ((4,),),
    (_dense(4), _ADD),
    (Call(0, (0,)), Call(0, (1,)), Call(0, (2,)), Call(1, (1, 3, 0))),
    (4,),
)
TWICE = Graph(((4,),), (_dense(4), _ADD), (Call(0, (0,)), Call(1, (1, 1, 0))), (2,))
RESIDUAL = Graph(
    ((5, 4, 2),),
    (
        _conv(4), _NORM, _RELU, _conv(4, use_bias=False), _NORM, _ADD, _RELU,
        ("GlobalAveragePooling2D", {}), _dense(3, "softmax"),
    ),
    (
        Call(0, (0,)), Call(1, (1,)), Call(2, (2,)), Call(3, (3,)), Call(4, (4,)),
        Call(5, (5, 3)), Call(6, (6,)), Call(7, (7,)), Call(8, (8,)),
    ),
    (9,),
)  # fmt: skip
SHARED_CONV = Graph(
    ((5, 4, 2), (5, 4, 2)),
    (_conv(3, activation="relu"), _NORM, _JOIN, ("Flatten", {}), _dense(2, None)),
    (
        Call(0, (0,)), Call(0, (1,)), Call(1, (2,)), Call(1, (3,)), Call(2, (4, 5)), Call(3, (6,)),
        Call(4, (7,)),
    ),
    (8,),
)  # fmt: skip
TWO_BY_TWO = Graph(
    ((6, 5, 2), (3,)),
    (
        _conv(4, activation="relu"), ("GlobalMaxPooling2D", {}), _dense(4), _JOIN,
        _dense(3, "softmax"), _dense(1, "sigmoid"),
    ),
    (
        Call(0, (0,)), Call(1, (2,)), Call(2, (1,)), Call(3, (3, 4)), Call(4, (5,)), Call(5, (4,)),
    ),
    (6, 7),
)  # fmt: skip
INNER = DIAMOND._replace(outputs=(5, 1, 4))
INNER_SOFTMAX = Graph(
    ((5,),),
    (_dense(4), _dense(3, "softmax"), _dense(2, None)),
    (Call(0, (0,)), Call(1, (1,)), Call(2, (2,))),
    (2, 3),
)
_BLOCK = Graph(
    ((5,), (5,)), (_dense(4), _ADD), (Call(0, (0,)), Call(0, (1,)), Call(1, (2, 3))), (4, 2)
)
NESTED = Graph(
    ((5,), (5,)),
    (_BLOCK, _dense(5), _JOIN, _dense(3, None)),
    # the block gives two values a call, and is called again on what became of them
    (Call(0, (0, 1)), Call(1, (2,)), Call(0, (4, 1)), Call(2, (3, 5, 6)), Call(3, (7,))),
    (8,),
)
_TOWER = Graph(((5,),), (_dense(5), _NORM, _ADD), (Call(0, (0,)), Call(1, (1,)), Call(2, (2, 0))),
               (3,))  # fmt: skip
DEEP = Graph(
    ((5,),),
    (Graph(((5,),), (_TOWER, _dense(5)), (Call(0, (0,)), Call(1, (1,)), Call(0, (2,))), (3,)),
     _dense(2, None)),
    (Call(0, (0,)), Call(1, (1,))),
    (2,),
)  # fmt: skip

GRAPHS: dict[str, Graph] = {
    "a diamond": DIAMOND,
    "a shared layer": SHARED,
    "a layer three times in a row": DEEP_SHARED,
    "one value twice": TWICE,
    "a residual block": RESIDUAL,
    "a shared convolution": SHARED_CONV,
    "two inputs, two outputs": TWO_BY_TWO,
    "inner outputs": INNER,
    "a model called twice": NESTED,
    "models in models": DEEP,
}
# Rounding is what is left of the gradient of a bias before BatchNormalization.
_NO_GRADIENT = {"a residual block": {"l0/bias": 1.0}}


def cases() -> list[Case]:
    """All of them."""
    return [
        *(_whole(name, graph, training) for name, graph in GRAPHS.items()
          for training in (True, False)),
        *(_weights(name, graph) for name, graph in GRAPHS.items()),
        *_steps(),
        *_frozen(),
        *_cut(),
    ]  # fmt: skip


def inputs(graph: Graph, dtype: str) -> Any:
    """One array, or a list where the graph has several inputs."""
    xs = [draw("normal", (N, *shape), place).astype(dtype)
          for place, shape in enumerate(graph.inputs)]  # fmt: skip
    return xs if len(xs) > 1 else xs[0]


def _whole(name: str, graph: Graph, training: bool) -> Case:
    """Outputs, slopes by the inputs and all gradients, for random cotangents."""

    def measure(side: Side, dtype: str) -> Results:
        return side.layer(graph.build(side, dtype), [inputs(graph, dtype)], training)

    words = f"{name}, {'training' if training else 'inference'}"
    return Case("graphs", words, measure, graph.uses, tolerance=STEP,
                scales=_NO_GRADIENT.get(name, {}))  # fmt: skip


def _weights(name: str, graph: Graph) -> Case:
    """Order of layers and weights, shapes, and how many there are."""

    def measure(side: Side, dtype: str) -> Results:
        model = graph.build(side, dtype)
        told = [f"{key(w.path)} {tuple(w.shape)} {w.trainable}" for w in model.weights]
        shapes = [str(model.output_shape), str(model.input_shape)]
        return {
            "layers": np.asarray([layer.name for layer in model.layers]),
            "weights": np.asarray(told),
            "shapes": np.asarray(shapes),
            "parameters": np.asarray(model.count_params()),
        }

    return Case("graphs", f"{name}, order of the layers and weights", measure, graph.uses)


# ---- training ---------------------------------------------------------------------

SPARSE: Described = ("SparseCategoricalCrossentropy", {})
BINARY: Described = ("BinaryCrossentropy", {})
SQUARED: Described = ("MeanSquaredError", {})


def target(loss: Described, shape: tuple[Any, ...], dtype: str) -> Array:
    """What a loss expects for an output of this shape."""
    shape = (N, *shape[1:])
    source = generator("target", loss[0], shape)
    if loss[0] == "SparseCategoricalCrossentropy":
        return source.integers(0, shape[-1], shape[:-1])
    if loss[0] == "BinaryCrossentropy":
        return source.integers(0, 2, shape).astype(dtype)
    return source.standard_normal(shape).astype(dtype)


def step(
    words: str,
    graph: Graph,
    losses: Any,
    *,
    weights: Any = None,
    weighted: tuple[bool, ...] = (),
    change: Callable[[Any], None] = lambda model: None,
) -> Case:
    """Loss, outputs and gradients of one batch, and the way of all weights in five steps.

    Args:
        losses: a description, or a list of them with None for an output without one.
        weights: of the losses.
        weighted: for each output, whether its samples are.
        change: what is done to the model before it is compiled.
    """
    names = list(losses) if isinstance(losses, list) else [losses] * len(graph.outputs)

    def measure(side: Side, dtype: str) -> Results:
        results: Results = {}
        for way in ("step", "trajectory"):
            model = graph.build(side, dtype)
            change(model)
            made = [None if each is None else make(side, "losses", each) for each in names]
            if not isinstance(losses, list):
                made = made[:1]
            side.compile(
                model, side.library.optimizers.SGD(0.01), made if len(made) > 1 else made[0],
                **({} if weights is None else {"loss_weights": weights}),
            )  # fmt: skip
            shapes = model.output_shape if len(names) > 1 else [model.output_shape]
            y = [target(each or SQUARED, shape, dtype)
                 for each, shape in zip(names, shapes, strict=True)]  # fmt: skip
            ones = np.ones(N, dtype)
            factors = [draw("pixels", (N,), place).astype(dtype) if taken else ones
                       for place, taken in enumerate(weighted)]  # fmt: skip
            several = len(y) > 1
            batch = Batch(
                inputs(graph, dtype), y if several else y[0],
                (factors if several else factors[0]) if weighted else None,
            )  # fmt: skip
            if way == "step":
                results |= side.gradients(model, batch)
            else:
                began = start(model, dtype)
                ways = side.train(model, [batch] * _STEPS)
                results["losses"] = ways.pop("losses")
                results |= {f"way of {name}": w - b
                            for (name, w), b in zip(ways.items(), began, strict=True)}  # fmt: skip
        return results

    described = [each for each in names if each is not None]
    scales = {"way of l0/bias": 1e-2, "l0/bias": 1.0} if graph is RESIDUAL else {}
    # BatchNormalization over the four samples of DEEP magnifies roundings, in tf.keras as well.
    return Case("graphs", words, measure, (*graph.uses, *described), tolerance=STEP,
                scales=scales, conditioned=graph is DEEP)  # fmt: skip


def _steps() -> list[Case]:
    both = [SPARSE, BINARY]
    return [
        step("a diamond, 5 steps", DIAMOND, SQUARED),
        step("a shared layer, 5 steps", SHARED, SQUARED),
        step("a layer three times in a row, 5 steps", DEEP_SHARED, SQUARED),
        step("a residual block, 5 steps", RESIDUAL, SPARSE),
        step("a shared convolution, 5 steps", SHARED_CONV, SQUARED),
        step("a model called twice, 5 steps", NESTED, SQUARED),
        step("models in models, 5 steps", DEEP, SQUARED),
        step("two outputs, two losses", TWO_BY_TWO, both),
        step("two outputs, loss_weights", TWO_BY_TWO, both, weights=[0.25, 2.0]),
        step("two outputs, sample weights", TWO_BY_TWO, both, weighted=(True, True)),
        step("two outputs, sample weights and loss_weights", TWO_BY_TWO, both,
             weights=[0.25, 2.0], weighted=(True, False)),
        step("two outputs, one loss for all", TWO_BY_TWO, SQUARED),
        step("two outputs, the second without a loss", TWO_BY_TWO, [SPARSE, None]),
        step("two outputs, the first without a loss", TWO_BY_TWO, [None, BINARY]),
        step("inner outputs, a loss for each", INNER, [SQUARED, SQUARED, SQUARED]),
        step("an inner softmax with a loss of its own", INNER_SOFTMAX, [SPARSE, SQUARED]),
        step("regularizers of a shared layer", SHARED._replace(layers=(
             ("Dense", {"units": 4, "kernel_regularizer": {
                 "class_name": "L2", "config": {"l2": 0.25}}}), *SHARED.layers[1:])), SQUARED),
    ]  # fmt: skip


def _freeze(*places: int, then: Callable[[Any], None] = lambda model: None) -> Any:
    """Layers by their numbers in the graph."""

    def change(model: Any) -> None:
        for place in places:
            model.get_layer(f"l{place}").trainable = False
        then(model)

    return change


def _frozen() -> list[Case]:
    """What is frozen is not moved, and neither are the statistics of BatchNormalization."""

    def thaw(model: Any) -> None:
        model.get_layer("l0").get_layer("l0_0").trainable = True

    return [
        step("a frozen branch", DIAMOND, SQUARED, change=_freeze(0, 2)),
        step("a frozen branch, the first input of a merge", DIAMOND, SQUARED, change=_freeze(0, 1)),
        step("a frozen shared layer", SHARED, SQUARED, change=_freeze(0)),
        step("a frozen block with BatchNormalization", RESIDUAL, SPARSE,
             change=_freeze(0, 1, 3, 4)),
        step("a frozen BatchNormalization between trained layers", RESIDUAL, SPARSE,
             change=_freeze(1)),
        step("a frozen model, called twice", NESTED, SQUARED, change=_freeze(0)),
        step("a frozen model with BatchNormalization", DEEP, SQUARED, change=_freeze(0)),
        step("a frozen model in which one model is trained", DEEP, SQUARED,
             change=_freeze(0, then=thaw)),
        step("frozen when it was drawn", RESIDUAL._replace(frozen=(0, 1)), SPARSE),
    ]  # fmt: skip


def _cut() -> list[Case]:
    """Models made of parts of another."""

    def case(words: str, graph: Graph, cut: Callable[[Any, Any], Any], shape: Any = None) -> Case:
        def measure(side: Side, dtype: str) -> Results:
            model = cut(side.library, graph.build(side, dtype))
            shapes = as_list(shape or [(N, *each) for each in graph.inputs])
            xs = [draw("normal", each, place).astype(dtype) for place, each in enumerate(shapes)]
            return side.layer(model, [xs if len(xs) > 1 else xs[0]], True)

        scales = {"l0/bias": 1.0} if graph is RESIDUAL else {}
        return Case("graphs", words, measure, graph.uses, tolerance=STEP, scales=scales)

    def outputs(*names: str) -> Callable[[Any, Any], Any]:
        def cut(library: Any, model: Any) -> Any:
            found = [model.get_layer(name).output for name in names]
            return library.Model(model.inputs, found if len(found) > 1 else found[0])

        return cut

    def tail(library: Any, model: Any) -> Any:
        return library.Model(model.get_layer("l2").output, model.output)

    def frozen_base(library: Any, model: Any) -> Any:
        model.trainable = False
        below = library.Model(model.inputs, model.get_layer("l6").output, name="base")
        x = library.Input(RESIDUAL.inputs[0])
        y = library.layers.Flatten(name="flat")(below(x, training=False))
        made = library.Model(x, library.layers.Dense(2, name="head")(y))
        fill_weights(made, str(made.get_weights()[0].dtype))
        return made

    def two_models(library: Any, model: Any) -> Any:
        layers = library.layers
        part = library.Model(model.inputs, model.get_layer("l3").output, name="part")
        x = library.Input((5,))
        y = layers.Concatenate(name="both")([model(x), part(x), model.get_layer("l0")(x)])
        return library.Model(x, y)

    def chain(library: Any, model: Any) -> Any:
        layers = library.layers
        made = library.Sequential(
            [library.Input((5,)), model, layers.Dense(4, name="after")], name="chain"
        )
        x = library.Input((5,))
        whole = library.Model(x, layers.Add(name="sum")([made(x), layers.Dense(4, name="by")(x)]))
        fill_weights(whole, str(whole.get_weights()[0].dtype))
        return whole

    return [
        case("cut at an inner layer", RESIDUAL, outputs("l5")),
        case("cut at two inner layers", TWO_BY_TWO, outputs("l1", "l3")),
        case("a model that starts inside another", RESIDUAL, tail, [(N, 5, 4, 4)]),
        case("a frozen base called with training=False", RESIDUAL, frozen_base),
        case("two models that share layers, and one of these layers", DIAMOND, two_models),
        case("a graph in a Sequential in a graph", DIAMOND, chain),
    ]
