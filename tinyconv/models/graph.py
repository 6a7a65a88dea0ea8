"""A model at work: forward through the calls of its layers, and back.

    slots      0 (input)   1          2          3 (output)
    steps        conv: 0 -> 1   relu: 1 -> 2   add: 1, 2 -> 3

Every value of a pass has a slot. Forward fills the slots in order; backward carries the
slopes of the loss by the values from the last slot to the first, and adds up where a value
(or a layer) was used more than once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tinyconv import config
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape
from tinyconv.layers.base import Gradients, Layer
from tinyconv.layers.symbolic import Node, SymbolicTensor
from tinyconv.models.plan import Plan, state

_MOST_STEPS = 100_000  # a small file can ask for a model of models of models of 2^50 layers
_MOST_PLANS = 8  # a model is seldom run in more ways than these


class Step(NamedTuple):
    """One call of a layer.

    Attributes:
        layer: that is called.
        path: its name, after those of the models that it lies in: "vgg16/block1_conv1".
        sources, targets: slots of its inputs and outputs.
        listed: whether it takes a list, also of one input.
        training: the mode that was fixed when it was drawn, or None.
    """

    layer: Layer
    path: str
    sources: list[int]
    targets: list[int]
    listed: bool
    training: bool | None


class Tape(NamedTuple):
    """What a forward pass kept for the way back.

    Attributes:
        plan: that it went by.
        caches: of each block of the plan, None where the way back does not pass.
    """

    plan: Plan
    caches: list[Any]


class Graph:
    """The steps of a model, in an order in which each finds its inputs.

    Models inside the model are taken apart: their steps stand among the others.

    Args:
        inputs, outputs: symbolic tensors.
        nodes: the calls between them, sorted.
        layers: those of the model, in the order of its weights; that of the calls unless given.
    """

    def __init__(
        self,
        inputs: Sequence[SymbolicTensor],
        outputs: Sequence[SymbolicTensor],
        nodes: Sequence[Node],
        layers: Sequence[Layer] = (),
    ) -> None:
        self.steps: list[Step] = []
        self._paths: dict[int, str] = {}
        self._name(layers or [node.layer for node in nodes], "")
        self.slots = len(inputs)
        slots = {id(tensor): number for number, tensor in enumerate(inputs)}
        self.inputs = list(range(len(inputs)))
        self._append(nodes, slots, None)
        self.outputs = [slots[id(tensor)] for tensor in outputs]
        self._finish()

    def part(self, steps: Sequence[Step], inputs: list[int], outputs: list[int]) -> Graph:
        """A graph of some of the steps, from slots to slots of this one."""
        part = object.__new__(Graph)
        part.steps = list(steps)
        part.slots, part.inputs, part.outputs = self.slots, inputs, outputs
        part._finish()
        return part

    def _finish(self) -> None:
        """What follows from the steps, the inputs and the outputs."""
        self.last_steps = self._find_last_steps()
        self._plans: dict[Any, Plan] = {}

    def _name(self, layers: Sequence[Any], prefix: str) -> None:
        """One path for each layer: two models inside may share it."""
        for layer in layers:
            if hasattr(layer, "calls"):  # a model
                self._name(layer.layers, f"{prefix}{layer.name}/")
            else:
                self._paths.setdefault(id(layer), f"{prefix}{layer.name}")

    def _append(self, nodes: Sequence[Node], slots: dict[int, int], training: bool | None) -> None:
        """Add the steps of these calls; `slots` holds the place of every tensor so far."""
        for node in nodes:
            layer, mode = node.layer, training if node.training is None else node.training
            sources = [slots[id(tensor)] for tensor in node.inputs]
            if hasattr(layer, "calls"):  # a model
                inside = {id(x): slot for x, slot in zip(layer.inputs, sources, strict=True)}
                self._append(layer.calls, inside, mode)
                targets = [inside[id(tensor)] for tensor in layer.outputs]
            else:
                targets = list(range(self.slots, self.slots + len(node.outputs)))
                self.slots += len(targets)
                path = self._paths[id(layer)]
                if len(self.steps) == _MOST_STEPS:
                    raise ValueError(f"{layer!r}: the graph has more than {_MOST_STEPS:,} steps")
                self.steps.append(Step(layer, path, sources, targets, node.listed, mode))
            slots.update({id(y): slot for y, slot in zip(node.outputs, targets, strict=True)})

    def _find_last_steps(self) -> list[int | None]:
        """The step that makes each output, where nobody but the loss takes its result."""
        makers = {step.targets[0]: n for n, step in enumerate(self.steps) if len(step.targets) == 1}
        used = [slot for step in self.steps for slot in step.sources]
        return [
            makers.get(slot) if slot not in used and self.outputs.count(slot) == 1 else None
            for slot in self.outputs
        ]

    @property
    def final_activations(self) -> list[str]:
        """What each output has gone through last, "linear" where no loss may take that over."""
        return [
            "linear" if step is None else self.steps[step].layer.final_activation
            for step in self.last_steps
        ]

    def output_shapes(self, input_shapes: Sequence[Shape]) -> list[Shape]:
        """Shapes of the outputs for inputs of these shapes."""
        shapes: list[Any] = [None] * self.slots
        for slot, shape in zip(self.inputs, input_shapes, strict=True):
            shapes[slot] = tuple(shape)
        for step in self.steps:
            taken = [shapes[slot] for slot in step.sources]
            given: Any = taken if step.listed else taken[0]
            step.layer.check_shape(given)
            made = step.layer.symbolic_outputs(given)
            for slot, (shape, _) in zip(step.targets, made, strict=True):
                shapes[slot] = shape
        return [shapes[slot] for slot in self.outputs]

    # ---- forward --------------------------------------------------------------

    def plan(
        self,
        training: bool,
        needed: Sequence[bool] | None = None,
        logits: Sequence[bool] = (),
        frozen_too: bool = False,
    ) -> Plan:
        """How a pass is computed; arguments as of `Plan`. `print(plan.describe())` tells."""
        now = [state(step.layer) for step in self.steps]
        ways = training, needed and tuple(needed), tuple(logits), frozen_too
        key = (*ways, config.planning(), config.batch_norm_folding(), *now)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans = {}
            plan = self._plans[key] = Plan(self, training, needed, logits, frozen_too)
        return plan

    def infer(
        self, inputs: Sequence[Array], training: bool = False, logits: Sequence[bool] = ()
    ) -> list[Array]:
        """The outputs alone; nothing is kept."""
        return self.run(inputs, self.plan(training, None, logits))[0]

    def forward(
        self,
        inputs: Sequence[Array],
        training: bool,
        needed: Sequence[bool],
        logits: Sequence[bool] = (),
        frozen_too: bool = False,
    ) -> tuple[list[Array], Tape]:
        """Outputs and tape.

        Args:
            inputs: one array each.
            training: the mode.
            needed: for each input, whether the loss' slope by it is wanted; where it is not,
                no cache is kept below the lowest layer that trains.
            logits: for each output, whether its last layer leaves its activation out.
            frozen_too: whether the way back gives the gradients of frozen parameters as well.
        """
        plan = self.plan(training, needed, logits, frozen_too)
        outputs, caches = self.run(inputs, plan)
        return outputs, Tape(plan, caches)

    def run(self, inputs: Sequence[Array], plan: Plan) -> tuple[list[Array], list[Any]]:
        """Outputs, and the caches of the blocks.

        Values are let go with their last taker: backends use such memory again at once.
        """
        values: list[Any] = [None] * self.slots
        for slot, array in zip(self.inputs, inputs, strict=True):
            values[slot] = array
        caches = []
        for work in plan.work:
            x = [values[slot] for slot in work.sources] if work.listed else values[work.sources[0]]
            y, cache = work.block.forward(x)
            caches.append(cache)
            for slot, value in zip(work.targets, y if len(work.targets) > 1 else [y], strict=True):
                values[slot] = value
            for slot in work.spent:  # x itself is let go before the next block begins
                values[slot] = None
        return [values[slot] for slot in self.outputs], caches

    # ---- backward -------------------------------------------------------------

    def backward(
        self,
        slopes: Sequence[Array | None],
        tape: Tape,
        last: bool = False,
        into: Mapping[str, Array] | None = None,
    ) -> tuple[list[Array | None], Gradients]:
        """The chain rule, block by block in reverse.

        Args:
            slopes: of the loss by each output; None where it does not depend on it.
            tape: of the forward pass.
            last: whether the tape is used up: its caches are then let go one by one.
            into: where gradients may be written, by path: what lies there afterwards counts
                only for those that are returned as that very array.

        Returns:
            The slopes by the inputs (None where not wanted), and the gradients of the
            parameters that the plan asks for, those of a layer that was called twice added up.
        """
        at: list[Array | None] = [None] * self.slots
        for slot, slope in zip(self.outputs, slopes, strict=True):
            at[slot] = _sum(at[slot], slope)
        caches = tape.caches if last else list(tape.caches)
        grads: Gradients = {}
        places = dict(into or {})
        for work in reversed(tape.plan.work):
            cache, dys = caches.pop(), [at[slot] for slot in work.targets]
            for slot in work.targets:
                at[slot] = None
            if cache is None:
                continue
            if all(each is None for each in dys):  # nothing that has a loss depends on it
                own = work.block.zero_gradients()
            else:
                dx, own = work.block.backward(dys if len(dys) > 1 else dys[0], cache, places)
                if work.block.need_dx:
                    slopes = dx if work.listed else [dx]
                    for slot, want, slope in zip(work.sources, work.wanted, slopes, strict=True):
                        if want:
                            at[slot] = _sum(at[slot], slope)
            for path, gradient in own.items():
                grads[path] = gradient if path not in grads else grads[path] + gradient
        return [at[slot] for slot in self.inputs], grads


def _sum(a: Array | None, b: Array | None) -> Array | None:
    """a + b, where None is nothing; a new array, because a may belong to somebody else."""
    if a is None or b is None:
        return b if a is None else a
    return get_backend().xp.add(a, b)
