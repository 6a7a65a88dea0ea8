"""A graph cut in two: below, what training never changes; above, the rest.

    image -> [conv1 -> conv2 -> pool] -> features -> [conv3 -> dense] -> y
              base: frozen layers                     head: all others

The cut goes through the slots, so it may lie inside a nested model, and pass several values.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from tinyconv.models.graph import Graph, Step


class Split(NamedTuple):
    """The two parts of a graph.

    Attributes:
        base: from inputs of the model to the features.
        head: from the features, then `head_inputs`, to the outputs of the model.
        base_inputs, head_inputs: which inputs of the model each part takes.
    """

    base: Graph
    head: Graph
    base_inputs: list[int]
    head_inputs: list[int]


def split(graph: Graph) -> Split | None:
    """Everything constant in training, as far up as it goes, and the rest.

    None if no layer with weights is constant: then there is nothing worth keeping. A layer
    whose activation the loss may take over stays in the head.
    """
    constant = set(graph.inputs)
    features: set[int] = set()
    for number, step in enumerate(graph.steps):
        mode = True if step.training is None else step.training
        fixed = step.layer.constant(mode) and not step.layer.trains
        if not fixed or number in graph.last_steps or not constant.issuperset(step.sources):
            continue
        constant.update(step.targets)
        if step.layer.weights or not features.isdisjoint(step.sources):
            features.update(step.targets)
    # What leads to no output is computed all the same: it may draw random numbers, or train.
    changing = [slot for step in graph.steps for slot in step.targets if slot not in constant]
    above, needed = _steps_to(graph, [*graph.outputs, *changing], features)
    kept = sorted(needed & features)
    if not kept:
        return None
    below, taken = _steps_to(graph, kept, ())
    base_inputs = [slot for slot in graph.inputs if slot in taken]
    head_inputs = [slot for slot in graph.inputs if slot in needed]
    return Split(
        graph.part(below, base_inputs, kept),
        graph.part(above, [*kept, *head_inputs], graph.outputs),
        [graph.inputs.index(slot) for slot in base_inputs],
        [graph.inputs.index(slot) for slot in head_inputs],
    )


def _steps_to(
    graph: Graph, outputs: Collection[int], given: Collection[int]
) -> tuple[list[Step], set[int]]:
    """The steps that make these slots out of the given ones, and all slots on the way."""
    needed, steps = set(outputs), []
    for step in reversed(graph.steps):
        if any(slot in needed and slot not in given for slot in step.targets):
            steps.append(step)
            needed.update(step.sources)
    return steps[::-1], needed
