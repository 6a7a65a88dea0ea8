"""From the outputs of a drawn graph back to its inputs: which calls, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tinyconv.layers.base import Layer
from tinyconv.layers.symbolic import Node, SymbolicTensor


def sorted_nodes(
    owner: Any, inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor]
) -> list[Node]:
    """The calls between inputs and outputs, each after those whose results it takes.

    The order is that of a search in depth from the outputs; the calls that make the inputs
    are not among them.

    Raises:
        ValueError: for an output that hangs on something that is not an input, and for a
            graph that goes round in a circle.
    """
    given = {id(tensor) for tensor in inputs}
    order: list[Node] = []
    done: set[int] = set()
    for output in outputs:
        if id(output) in given or id(output.node) in done:
            continue
        path: list[Node] = [output.node]  # from the output down, each waiting for the next
        waiting: list[Iterator[SymbolicTensor]] = [_sources(owner, output.node)]
        while path:
            tensor = next(waiting[-1], None)
            if tensor is None:
                done.add(id(path[-1]))
                order.append(path.pop())
                waiting.pop()
            elif id(tensor) not in given and id(tensor.node) not in done:
                if any(tensor.node is node for node in path):
                    names = [node.layer.name for node in reversed(path)]
                    raise ValueError(
                        f"{owner!r}: the graph goes round in a circle: "
                        f"{' -> '.join([*names, names[0]])}"
                    )
                path.append(tensor.node)
                waiting.append(_sources(owner, tensor.node))
    return order


def _sources(owner: Any, node: Node) -> Iterator[SymbolicTensor]:
    if not node.inputs:
        raise ValueError(
            f"{owner!r}: the graph is disconnected: an output depends on {node.layer!r}, which "
            "is not among the inputs"
        )
    return iter(node.inputs)


def sorted_layers(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor], nodes: Sequence[Node]
) -> list[Layer]:
    """The layers, inputs included, in Keras' order: it decides the order of the weights.

    A layer comes the earlier the more calls lie between it and the outputs; among equals it
    is the one that a search in depth from the outputs meets first.
    """
    everything = [tensor.node for tensor in inputs] + list(nodes)
    makers = {id(tensor): node for node in everything for tensor in node.outputs}
    depth_of_node = {id(node): 0 for node in everything}
    depth: dict[int, int] = {}
    for node in reversed(everything):
        layer = id(node.layer)
        depth[layer] = depth_of_node[id(node)] = max(depth_of_node[id(node)], depth.get(layer, 0))
        for tensor in node.inputs if node in nodes else ():
            maker = id(makers[id(tensor)])
            depth_of_node[maker] = max(depth_of_node[maker], depth_of_node[id(node)] + 1)
    met = _meeting_order(inputs, outputs, makers)
    layers = {id(node.layer): node.layer for node in everything}
    return sorted(layers.values(), key=lambda layer: (-depth[id(layer)], met.get(id(layer), -1)))


def _meeting_order(
    inputs: Sequence[SymbolicTensor], outputs: Sequence[SymbolicTensor], makers: dict[int, Node]
) -> dict[int, int]:
    """id of a layer -> its number in a search in depth from the outputs."""
    ends = {id(tensor.node) for tensor in inputs}
    met: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [makers[id(tensor)] for tensor in reversed(outputs)]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        met.setdefault(id(node.layer), len(met))
        if id(node) not in ends:
            waiting.extend(makers[id(tensor)] for tensor in reversed(node.inputs))
    return met
