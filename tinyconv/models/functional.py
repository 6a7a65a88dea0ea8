"""A graph of layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyconv import registry
from tinyconv.layers.base import Layer
from tinyconv.layers.input import Input, InputLayer
from tinyconv.layers.symbolic import Node, SymbolicTensor
from tinyconv.models import configuration
from tinyconv.models.graph import Graph
from tinyconv.models.model import Model
from tinyconv.models.topology import sorted_layers, sorted_nodes


class Functional(Model):
    """What `Model(inputs, outputs)` makes: everything between symbolic inputs and outputs.

    The layers are those that the graph was drawn with, not copies: two models that share
    layers share their weights.

    Args:
        inputs: a symbolic tensor, a list of them, or a dict by their names. One that is not
            an `Input` but a value inside a graph becomes an input of the new model. As in
            Keras an input may stay unused.
        outputs: a symbolic tensor or a list of them.
        name, trainable: as for every layer.

    Raises:
        TypeError: for something that is not a symbolic tensor, and for a dict of outputs.
        ValueError: for a graph that is disconnected or goes round in a circle, two layers of
            one name, or a dict of inputs by other names than theirs.
    """

    def __init__(self, inputs: Any, outputs: Any, **base: Any) -> None:
        self.layers: list[Layer] = []
        super().__init__(**base)
        given = _tensors(self, inputs, "inputs")
        self.outputs = _tensors(self, outputs, "outputs")
        nodes = sorted_nodes(self, given, self.outputs)
        self.inputs = given
        if not all(isinstance(tensor.node.layer, InputLayer) for tensor in given):
            self.inputs, self.outputs, nodes = _drawn_anew(given, self.outputs, nodes)
        self.calls = nodes
        self.layers = sorted_layers(self.inputs, self.outputs, nodes)
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"{self!r}: two layers are called {twice[0]!r}; each needs a name of its own"
            )
        self._graph = Graph(self.inputs, self.outputs, nodes, self.layers)
        self.built = True
        if not self._trainable:
            self.trainable = False

    @property
    def graph(self) -> Graph:
        """The calls of the layers, in order."""
        return self._graph

    # ---- configuration --------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Name, layers with the calls each was drawn with, and which are inputs and outputs."""
        inside = {id(node) for node in self.calls}
        entries = []
        for layer in self.layers:
            calls = [node for node in layer.nodes if id(node) in inside]
            entries.append({**configuration.entry(layer), "inbound_nodes": self._calls(calls)})
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": entries,
            "input_layers": [self._place(tensor) for tensor in self.inputs],
            "output_layers": [self._place(tensor) for tensor in self.outputs],
        }

    def _calls(self, nodes: list[Node]) -> list[dict[str, Any]]:
        return [
            {
                "inputs": [self._place(tensor) for tensor in node.inputs],
                "listed": node.listed,
                "training": node.training,
            }
            for node in nodes
        ]

    def _place(self, tensor: SymbolicTensor) -> list[Any]:
        """[layer, number of the call among those in this model, number of the output]."""
        node = tensor.node
        inside = [node for node in node.layer.nodes if node in self.calls]
        return [tensor.name, inside.index(node) if node in inside else 0, tensor.index]

    @classmethod
    def from_config(
        cls, values: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Functional:
        """A new model, without the weights, from `get_config`.

        Raises:
            ValueError: for unknown classes, and calls that refer to nothing or to themselves.
        """
        inputs, outputs = configuration.redraw(values, custom_objects)
        return cls(
            inputs,
            outputs,
            name=values.get("name"),
            trainable=values.get("trainable", True),
        )


def _tensors(owner: Functional, given: Any, what: str) -> list[SymbolicTensor]:
    if isinstance(given, Mapping):
        if what == "outputs":
            raise TypeError(f"{owner!r}: outputs must be a list. Received: a dict of {list(given)}")
        by_name, given = given, list(given.values())
        names = [getattr(tensor, "name", None) for tensor in given]
        if names != list(by_name):
            raise ValueError(
                f"{owner!r}: a dict of inputs must have their names as keys, {names}. "
                f"Received: {list(by_name)}"
            )
    tensors = list(given) if isinstance(given, (list, tuple)) else [given]
    for tensor in tensors:
        if not isinstance(tensor, SymbolicTensor):
            raise TypeError(
                f"{owner!r}: {what} must be symbolic tensors, such as Input((28, 28, 1)) and "
                f"what layers make of it. Received: {tensor!r}"
            )
    twice = what == "inputs" and len({id(tensor) for tensor in tensors}) < len(tensors)
    if not tensors or twice:
        raise ValueError(f"{owner!r}: {what} must be one or more different tensors")
    return tensors


def _drawn_anew(
    inputs: list[SymbolicTensor], outputs: list[SymbolicTensor], nodes: list[Node]
) -> tuple[list[SymbolicTensor], list[SymbolicTensor], list[Node]]:
    """The same calls on inputs of their own, where a model starts inside another."""
    fresh = {
        id(old): old
        if isinstance(old.node.layer, InputLayer)
        else Input(old.shape[1:], dtype=old.dtype, name=registry.unique_name("InputLayer"))
        for old in inputs
    }
    made: list[Node] = []
    for node in nodes:
        taken = [fresh[id(tensor)] for tensor in node.inputs]
        node.layer(taken if node.listed else taken[0], training=node.training)
        made.append(node.layer.nodes[-1])
        for old, new in zip(node.outputs, made[-1].outputs, strict=True):
            fresh[id(old)] = new
    return [fresh[id(x)] for x in inputs], [fresh[id(y)] for y in outputs], made
