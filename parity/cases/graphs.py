"""Functional models: what a value or a layer that is used more than once does to the gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.cases import graph_training
from parity.cases.drawn_graphs import DIAMOND, GRAPHS, RESIDUAL, TWO_BY_TWO, N, inputs
from parity.cases.graph import Graph
from parity.data import draw
from parity.sides.base import Side, as_list, fill_weights, key
from parity.tolerances import STEP

# Rounding is what is left of the gradient of a bias before BatchNormalization.
_NO_GRADIENT = {"a residual block": {"l0/bias": 1.0}}


def cases() -> list[Case]:
    """All of them."""
    return [
        *(_whole(name, graph, training) for name, graph in GRAPHS.items()
          for training in (True, False)),
        *(_weights(name, graph) for name, graph in GRAPHS.items()),
        *graph_training.cases(),
        *_cut(),
    ]  # fmt: skip


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
