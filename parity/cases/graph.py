"""Graphs of layers, described once for both libraries."""

from __future__ import annotations

from typing import Any, NamedTuple

from parity.cases.network import Described
from parity.sides.base import Side, fill_weights

MERGES = ("Add", "Concatenate")


class Call(NamedTuple):
    """One call: the number of the layer, and those of the values it is called on."""

    layer: int
    sources: tuple[int, ...]


class Graph(NamedTuple):
    """Layers (or graphs inside this one) and how they are called.

    Attributes:
        inputs: shapes without the batch; they are the values 0, 1, ...
        layers: a class with its arguments, or another graph, each.
        calls: in order; what they return are the next values.
        outputs: numbers of values.
        frozen: numbers of layers that are not trained.
    """

    inputs: tuple[tuple[int, ...], ...]
    layers: tuple[Any, ...]  # Described | Graph
    calls: tuple[Call, ...]
    outputs: tuple[int, ...]
    frozen: tuple[int, ...] = ()

    def build(self, side: Side, dtype: str, random_weights: bool = True) -> Any:
        """The model of that library, its layers named by their places."""
        model = self.draw(side.library, "l")
        if random_weights:
            fill_weights(model, dtype)
        return model

    def draw(self, library: Any, prefix: str) -> Any:
        """The model: layers l0, l1, ...; those of a graph that is layer 2 are l2_0, l2_1, ..."""
        values = [
            library.Input(shape, name=f"{prefix}x{place}")
            for place, shape in enumerate(self.inputs)
        ]
        inputs, layers = list(values), []
        for place, described in enumerate(self.layers):
            name = f"{prefix}{place}"
            if isinstance(described, Graph):
                layer = described.draw(library, f"{name}_")
            else:
                layer = getattr(library.layers, described[0])(name=name, **described[1])
            if place in self.frozen:
                layer.trainable = False
            layers.append(layer)
        for call in self.calls:
            taken = [values[source] for source in call.sources]
            made = layers[call.layer](taken if self._listed(call) else taken[0])
            values += made if isinstance(made, list) else [made]
        outputs = [values[place] for place in self.outputs]
        named = {"name": prefix.rstrip("_")} if prefix != "l" else {}
        return library.Model(
            inputs if len(inputs) > 1 else inputs[0],
            outputs if len(outputs) > 1 else outputs[0],
            **named,
        )

    def _listed(self, call: Call) -> bool:
        described = self.layers[call.layer]
        return len(call.sources) > 1 or described[0] in MERGES

    @property
    def uses(self) -> tuple[Described, ...]:
        """The classes with their arguments, at any depth."""
        found: list[Described] = []
        for described in self.layers:
            found += described.uses if isinstance(described, Graph) else [described]
        return tuple(found)

    @property
    def words(self) -> str:
        """The description, short enough for a line."""
        told = []
        for described in self.layers:
            if isinstance(described, Graph):
                told.append(f"[{described.words}]")
            else:
                inside = ", ".join(f"{key}={value!r}" for key, value in described[1].items())
                told.append(f"{described[0]}({inside})")
        calls = " ".join(f"{call.layer}{list(call.sources)}" for call in self.calls)
        frozen = f", frozen {self.frozen}" if self.frozen else ""
        return f"{self.inputs} → {'; '.join(told)}; calls {calls} → {self.outputs}{frozen}"
