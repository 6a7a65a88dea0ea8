"""Training of functional models: gradients of one step, the way of five, and frozen parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from parity.case import Case, Results
from parity.cases.drawn_graphs import (
    DEEP,
    DEEP_SHARED,
    DIAMOND,
    INNER,
    INNER_SOFTMAX,
    NESTED,
    RESIDUAL,
    SHARED,
    SHARED_CONV,
    TWO_BY_TWO,
    N,
    inputs,
)
from parity.cases.graph import Graph
from parity.cases.network import Described, make
from parity.cases.trajectories import start
from parity.data import Array, draw, generator
from parity.sides.base import Batch, Side
from parity.tolerances import STEP

_STEPS = 5

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


def cases() -> list[Case]:
    """All of them."""
    return [*_steps(), *_frozen()]


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
