"""Errors in merges, in the order of a graph, and on the way back through it."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from parity.plants.plant import Function, Plant, after, before, during, function
from tinyconv import layers
from tinyconv.layers import merging
from tinyconv.models import functional, graph
from tinyconv.models.blocks import Summed
from tinyconv.models.container import Container
from tinyconv.models.graph import Graph
from tinyconv.models.plan import Plan
from tinyconv.training.objective import Objective


class _Once:
    """A block whose parameters hear of one of their calls alone."""

    def __init__(self, block: Any, heard: set[str]) -> None:
        self.block, self.heard = block, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self.block, name)

    def backward(self, dy: Any, cache: Any) -> Any:
        dx, grads = self.block.backward(dy, cache)
        grads = {key: 0 * slope if key in self.heard else slope for key, slope in grads.items()}
        self.heard.update(grads)
        return dx, grads


def _not_added(original: Function) -> Function:
    def backward(self: Any, slopes: Any, tape: Any, *args: Any) -> Any:
        heard: set[str] = set()
        plan = copy(tape.plan)
        plan.work = [work._replace(block=_Once(work.block, heard)) for work in plan.work]
        return original(self, slopes, tape._replace(plan=plan), *args)

    return backward


def _first_alone(result: Any, *_: Any) -> Any:
    dxs, grads = result
    return [dxs[0], *(0 * dx for dx in dxs[1:])], grads


def _first_source(original: Function) -> Function:
    """Whether a slope is needed, asked of the first input of each layer only."""

    def wanted(self: Any, graph: Graph, needed: Any) -> list[bool]:
        found = [False] * graph.slots
        if needed is None:
            return found
        for slot, need in zip(graph.inputs, needed, strict=True):
            found[slot] = need
        for step in graph.steps:
            for slot in step.targets:
                found[slot] = step.layer.trains or found[step.sources[0]]
        return found

    return wanted


def _in_order_of_calls(inputs: Any, outputs: Any, nodes: Any) -> list[Any]:
    made = {id(node.layer): node.layer for node in [*(x.node for x in inputs), *nodes]}
    return list(made.values())


def _setter_alone(original: Any) -> Any:
    return property(original.fget, lambda self, value: setattr(self, "_trainable", bool(value)))


def _also_inner(self: Graph) -> list[int | None]:
    makers = {step.targets[0]: place for place, step in enumerate(self.steps)}
    return [makers.get(slot) for slot in self.outputs]


PLANTS: list[Plant] = [
    function("the gradient of all branches but the first dropped", layers.Add, "backward",
             after(_first_alone), "Add: two images", "Add: five vectors",
             "graphs: a diamond, training"),
    function("the gradient of all branches but the first dropped, with ReLU", Summed, "backward",
             after(_first_alone), "graphs: a residual block, training"),
    function("a repeated input whose gradient is not summed", merging, "sum_to",
             lambda _: lambda dy, shape: dy[tuple(slice(0, n) for n in shape)],
             "Add: one value a channel", "Add: a row and a column",
             "Add: one value a pixel, first"),
    function("parts of the gradient exchanged", layers.Concatenate, "backward",
             after(lambda result, *_: (result[0][::-1], {})), "Concatenate: axis 3, channels",
             "graphs: a shared layer, training"),
    function("inputs joined in the wrong order", layers.Concatenate, "forward",
             before(lambda self, x, *mode: (self, x[::-1], *mode)), "Concatenate: four vectors",
             "graphs: a shared layer, inference"),
    function("a value used twice whose gradients are not added", graph, "_sum",
             lambda _: lambda a, b: a if b is None else b, "graphs: a diamond, training",
             "graphs: one value twice, training", "graphs: a residual block, training"),
    function("gradients of a shared layer that are not added", Graph, "backward", _not_added,
             "graphs: a shared layer, training", "graphs: a shared layer, 5 steps",
             "graphs: a layer three times in a row, training",
             "graphs: a shared convolution, 5 steps", "graphs: a model called twice, 5 steps"),
    function("a way back that follows the first input alone", Plan, "_find_wanted", _first_source,
             "graphs: a frozen branch, the first input of a merge"),
    function("layers in the order of their calls", functional, "sorted_layers",
             lambda _: _in_order_of_calls,
             "graphs: two inputs, two outputs, order of the layers and weights"),
    function("a frozen model whose layers are not", Container, "trainable", _setter_alone,
             "graphs: a frozen model with BatchNormalization"),
    function("loss_weights forgotten", Objective, "compute",
             during("weights", np.ones_like), "graphs: two outputs, loss_weights",
             "graphs: two outputs, sample weights and loss_weights"),
    function("an activation left to the loss though a layer follows", Graph, "_find_last_steps",
             lambda _: _also_inner, "graphs: an inner softmax with a loss of its own"),
]  # fmt: skip
