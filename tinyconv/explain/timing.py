"""Blocks of a plan with a clock, for `trace`."""

from __future__ import annotations

import time
from typing import Any

from tinyconv import config, random
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.explain.counting import address, arrays_in, size
from tinyconv.geometry import Shape
from tinyconv.layers.base import Gradients
from tinyconv.models.blocks import Block
from tinyconv.models.graph import Graph
from tinyconv.models.plan import Plan


class Timed(Block):
    """A layer by itself, timed, whose first pass is counted, too.

    Attributes:
        seconds, backward_seconds: of each pass.
        inputs, outputs: shapes.
        moved, backward_moved: bytes that had to be read and written.
        kept: the bytes of each array in the cache, by its address; parameters are not among them.
    """

    def __init__(self, block: Block) -> None:
        super().__init__(block.calls, block.keep, block.need_dx, block.need_parameters)
        self.block, self.layer = block, block.calls[0].layer
        self.seconds: list[float] = []
        self.backward_seconds: list[float] = []
        self.inputs: list[Shape] = []
        self.outputs: list[Shape] = []
        self.kept: dict[int, int] = {}
        self.moved, self.backward_moved = 0, 0

    def forward(self, x: Any) -> tuple[Any, Any]:
        """The block's own."""
        begin = time.perf_counter()
        y, cache = self.block.forward(x)
        _wait(_as_list(y))
        self.seconds.append(time.perf_counter() - begin)
        if len(self.seconds) == 1:
            self._count(_as_list(x), _as_list(y), cache)
        return y, cache

    def backward(self, dy: Any, cache: Any, into: Any) -> tuple[Any, Gradients]:
        """The block's own."""
        begin = time.perf_counter()
        dx, grads = self.block.backward(dy, cache, into)
        _wait([*_as_list(dx), *grads.values()])
        self.backward_seconds.append(time.perf_counter() - begin)
        if len(self.backward_seconds) == 1 and self.moved:
            self.backward_moved = size([*_as_list(dy), *_as_list(dx), *grads.values()])
            self.backward_moved += sum(self.kept.values()) + self._weights()
        return dx, grads

    def zero_gradients(self) -> Gradients:
        """The block's own."""
        return self.block.zero_gradients()

    def _count(self, x: list[Array], y: list[Array], cache: Any) -> None:
        self.inputs, self.outputs = ([tuple(each.shape) for each in part] for part in (x, y))
        weights = {address(variable.value) for variable in self.layer.weights}
        held = {address(each): int(each.nbytes) for each in arrays_in(cache)}
        self.kept = {place: n for place, n in held.items() if place not in weights}
        taken, made = {address(each) for each in x}, {address(each) for each in y}
        if taken == made:  # handed on, in another shape perhaps: nothing moves
            return
        beside = [n for place, n in self.kept.items() if place not in taken | made]
        self.moved = size(x) + size(y) + self._weights() + sum(beside)

    def _weights(self) -> int:
        return size([variable.value for variable in self.layer.weights])


def timed_plan(graph: Graph, training: bool) -> tuple[Plan, list[Timed]]:
    """A plan that joins nothing, and its blocks; no slope of the input, as in training."""
    planning = config.planning()
    config.set_planning(False)
    try:
        plan = Plan(graph, training, [False] * len(graph.inputs) if training else None, (), False)
    finally:
        config.set_planning(planning)
    blocks = [Timed(work.block) for work in plan.work]
    plan.work = [work._replace(block=each) for work, each in zip(plan.work, blocks, strict=True)]
    return plan, blocks


class Before:
    """What a pass in training changes: moving statistics, and the state of random generators."""

    def __init__(self, model: Any) -> None:
        changing = [weight for weight in model.weights if weight.name in weight.layer.state]
        self._statistics = [(weight, weight.value.copy()) for weight in changing]
        own = [getattr(step.layer, "generator", None) for step in model.graph.steps]
        generators = [random.generator(), *(each for each in own if each is not None)]
        self._states = [(each, each.bit_generator.state) for each in generators]

    def put_back(self) -> None:
        """All as it was."""
        for weight, value in self._statistics:
            weight.value[...] = value
        for generator, state in self._states:
            generator.bit_generator.state = state


def _wait(arrays: list[Any]) -> None:
    """Until they are computed: a device goes on in the background."""
    for each in arrays:
        if each is not None:
            get_backend().to_numpy(each[(slice(0, 1),) * each.ndim])


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]
