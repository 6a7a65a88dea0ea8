"""A model at work: forward through the calls of its layers, and back.

    slots      0 (input)   1          2          3 (output)
    steps        conv: 0 -> 1   relu: 1 -> 2   add: 1, 2 -> 3

Every value of a pass has a slot. Forward fills the slots in order; backward carries the
slopes of the loss by the values from the last slot to the first, and adds up where a value
(or a layer) was used more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tinyconv import config
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape
from tinyconv.layers.base import Cache, Gradients, Layer
from tinyconv.layers.symbolic import Node, SymbolicTensor
from tinyconv.models import folding

_MOST_STEPS = 100_000  # a small file can ask for a model of models of models of 2^50 layers


class Step(NamedTuple):
    """One call of a layer.

    Attributes:
        layer: that is called.
        path: its name, after those of the models that it lies in: "vgg16/block1_conv1".
        sources, targets: slots of its inputs and outputs.
        listed: whether it takes a list, also of one input.
        training: the mode that was fixed when it was drawn, or None.
        spent: slots that nobody needs after this step.
    """

    layer: Layer
    path: str
    sources: list[int]
    targets: list[int]
    listed: bool
    training: bool | None
    spent: list[int]


class Tape(NamedTuple):
    """What a forward pass kept for the way back.

    Attributes:
        caches: of each step, None where the way back does not pass.
        wanted: for each slot, whether the slope of its value is needed.
    """

    caches: list[Cache | None]
    wanted: list[bool]


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
        part.steps = [step._replace(spent=[]) for step in steps]
        part.slots, part.inputs, part.outputs = self.slots, inputs, outputs
        part._finish()
        return part

    def _finish(self) -> None:
        """What follows from the steps, the inputs and the outputs."""
        seen = set(self.outputs)
        for step in reversed(self.steps):
            step.spent.extend(slot for slot in {*step.sources, *step.targets} if slot not in seen)
            seen.update(step.spent)
        self.last_steps = self._find_last_steps()
        self.folds = folding.find_folds(self.steps, self.outputs)

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
                self.steps.append(Step(layer, path, sources, targets, node.listed, mode, []))
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

    def infer(
        self, inputs: Sequence[Array], training: bool = False, logits: Sequence[bool] = ()
    ) -> list[Array]:
        """The outputs alone; nothing is kept."""
        return self._run(inputs, training, None, logits)[0]

    def forward(
        self,
        inputs: Sequence[Array],
        training: bool,
        needed: Sequence[bool],
        logits: Sequence[bool] = (),
    ) -> tuple[list[Array], Tape]:
        """Outputs and tape.

        Args:
            inputs: one array each.
            training: the mode.
            needed: for each input, whether the loss' slope by it is wanted; where it is not,
                no cache is kept below the lowest layer that trains.
            logits: for each output, whether its last layer leaves its activation out.
        """
        wanted = self._wanted(needed)
        outputs, caches = self._run(inputs, training, wanted, logits)
        return outputs, Tape(caches, wanted)

    def _wanted(self, needed: Sequence[bool]) -> list[bool]:
        """For each slot: does its value depend on something that has a gradient?"""
        wanted = [False] * self.slots
        for slot, need in zip(self.inputs, needed, strict=True):
            wanted[slot] = need
        for step in self.steps:
            if step.layer.trains or any(wanted[slot] for slot in step.sources):
                for slot in step.targets:
                    wanted[slot] = True
        return wanted

    def _run(
        self,
        inputs: Sequence[Array],
        training: bool,
        wanted: list[bool] | None,
        logits: Sequence[bool],
    ) -> tuple[list[Array], list[Cache | None]]:
        values: list[Any] = [None] * self.slots
        for slot, array in zip(self.inputs, inputs, strict=True):
            values[slot] = array
        bare = {step for step, left in zip(self.last_steps, logits, strict=False) if left}
        caches: list[Cache | None] = []
        folded: set[int] = set()  # steps that a fold has done
        for number, step in enumerate(self.steps):
            taken = [values[slot] for slot in step.sources]
            x = taken if step.listed else taken[0]
            mode = training if step.training is None else step.training
            kept = wanted is not None and wanted[step.targets[0]]
            cache: Cache | None = None
            y: Any
            if number in folded:
                y = taken[0]
            elif number in self.folds and (fold := self._fold(number, x, training, wanted, bare)):
                y, done = fold
                folded.update(done)
            elif number in bare:
                y, cache = step.layer.forward_logits(x, mode)
            elif kept:
                y, cache = step.layer.forward(x, mode)
            else:
                y = step.layer.compute(x, mode)
            caches.append(cache if kept else None)
            for slot, value in zip(step.targets, y if len(step.targets) > 1 else [y], strict=True):
                values[slot] = value
            for slot in step.spent:
                values[slot] = None
        return [values[slot] for slot in self.outputs], caches

    def _fold(
        self,
        number: int,
        x: Any,
        training: bool,
        wanted: list[bool] | None,
        bare: set[int | None],
    ) -> tuple[Array, list[int]] | None:
        """What the fold at this step gives, and the steps behind it that are done with that."""
        _, norm, activation = self.folds[number]
        step = self.steps[norm]
        mode = training if step.training is None else step.training
        kept = wanted is not None and wanted[step.targets[0]]
        if kept or not step.layer.constant(mode) or not config.batch_norm_folding():
            return None
        done, last = [norm], None
        if activation is not None and activation not in bare:
            done, last = [norm, activation], self.steps[activation].layer
        y = folding.compute(self.steps[number].layer, step.layer, last, x)
        return None if y is None else (y, done)

    # ---- backward -------------------------------------------------------------

    def backward(
        self, slopes: Sequence[Array | None], tape: Tape
    ) -> tuple[list[Array | None], Gradients]:
        """The chain rule, step by step in reverse.

        Args:
            slopes: of the loss by each output; None where it does not depend on it.
            tape: of the forward pass.

        Returns:
            The slopes by the inputs (None where not wanted), and the gradients of all
            parameters on the way, those of a layer that was called twice added up.
        """
        at: list[Array | None] = [None] * self.slots
        for slot, slope in zip(self.outputs, slopes, strict=True):
            at[slot] = _sum(at[slot], slope)
        grads: Gradients = {}
        for step, cache in zip(reversed(self.steps), reversed(tape.caches), strict=True):
            dys = [at[slot] for slot in step.targets]
            for slot in step.targets:
                at[slot] = None
            if cache is None:
                continue
            dy = dys if len(dys) > 1 else dys[0]
            if all(each is None for each in dys):  # nothing that has a loss depends on it
                own = step.layer.zero_gradients()
            elif any(tape.wanted[slot] for slot in step.sources):
                dx, own = step.layer.backward(dy, cache)
                for slot, slope in zip(step.sources, dx if step.listed else [dx], strict=True):
                    if tape.wanted[slot]:
                        at[slot] = _sum(at[slot], slope)
            else:
                own = step.layer.backward_parameters(dy, cache)
            for key, gradient in own.items():
                path = f"{step.path}/{key}"
                grads[path] = gradient if path not in grads else grads[path] + gradient
        return [at[slot] for slot in self.inputs], grads


def _sum(a: Array | None, b: Array | None) -> Array | None:
    """a + b, where None is nothing; a new array, because a may belong to somebody else."""
    if a is None or b is None:
        return b if a is None else a
    return get_backend().xp.add(a, b)
