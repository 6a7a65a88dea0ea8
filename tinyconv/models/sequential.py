"""A chain of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tinyconv.geometry import Shape
from tinyconv.layers.base import Layer
from tinyconv.layers.input import Input, InputLayer, check_declared
from tinyconv.layers.symbolic import Node, SymbolicTensor
from tinyconv.models import configuration
from tinyconv.models.graph import Graph
from tinyconv.models.model import Model


class Sequential(Model):
    """y = layer_n(... layer_2(layer_1(x))).

    The parameters are created as soon as the shape of the input is known: from an
    `Input`, from `input_shape=` on the first layer, from `build`, or from the first batch.

    Args:
        layers: the layers in order; a model is a layer too.
        name, trainable, dtype: as for every layer.

    Raises:
        TypeError: for something that is not a layer.
        ValueError: for two layers of one name, or layers that do not fit each other.
    """

    def __init__(self, layers: Iterable[Any] | None = None, *others: Any, **base: Any) -> None:
        self.layers: list[Layer] = []
        self.inputs: list[SymbolicTensor] = []
        self.outputs: list[SymbolicTensor] = []
        self.calls: list[Node] = []
        self._graph: Graph | None = None
        super().__init__(**base)
        if isinstance(layers, Layer) or others:
            raise TypeError(f"{self!r}: expected a list of layers. Received: {layers!r}")
        for layer in layers or ():
            self._append(layer)
        self._sort()

    # ---- construction ---------------------------------------------------------

    def add(self, layer: Any) -> None:
        """Append a layer."""
        self._append(layer)
        self._sort()

    def _append(self, layer: Any) -> None:
        if isinstance(layer, SymbolicTensor) and isinstance(layer.node.layer, InputLayer):
            layer = layer.node.layer
        if not isinstance(layer, Layer):
            raise TypeError(f"{self!r}: expected a layer. Received: {layer!r}")
        self._require_free()
        if _contains(layer, self):
            raise ValueError(f"{self!r}: a model can't be a layer of itself. Received: {layer!r}")
        if any(layer.name == other.name for other in self.layers):
            raise ValueError(f"{self!r}: there is a layer {layer.name!r} already")
        if isinstance(layer, InputLayer):
            if self.layers or self.inputs:
                raise ValueError(f"{self!r}: an Input must come first, and only once")
            self.declared_shape = layer.declared_shape
            self._start(layer.output)
            return
        first = not self.layers and not self.inputs and self.declared_shape is None
        declared = _declared(layer) if first else self.declared_shape
        if self.inputs:
            self._connect([layer])
        elif declared is not None:
            self._begin((None, *declared), [*self.layers, layer])
        self.layers.append(layer)
        self.declared_shape = declared
        self.built = bool(self.inputs)
        self.compiled = False  # what was compiled was another model

    def pop(self) -> Layer:
        """Remove and return the last layer."""
        if not self.layers:
            raise ValueError(f"{self!r}: there is no layer to remove")
        self._require_free()
        layer = self.layers.pop()
        self.compiled, self.built = False, bool(self.layers and self.inputs)
        if self.calls:
            self.calls.pop()
            self.outputs = self.calls[-1].outputs if self.calls else list(self.inputs)
            self._graph = Graph(self.inputs, self.outputs, self.calls)
        return layer

    def _require_free(self) -> None:
        """Raise ValueError if another model was drawn with this one: it would not notice."""
        if self.nodes:
            raise ValueError(
                f"{self!r}: it is part of another model, so its layers can't be changed any more"
            )

    def build(self, input_shape: Shape) -> None:
        """Create the parameters of all layers for inputs of this shape (with the batch)."""
        if not self.layers:
            raise ValueError(f"{self!r}: the model has no layers; add one first")
        if not self.inputs:
            self._begin(tuple(input_shape), self.layers)
            self._sort()
        self.built = True

    def unbuild(self) -> None:
        """Forget the parameters of all layers."""
        for layer in self.layers:
            layer.unbuild()
        self._start()
        super().unbuild()

    def _begin(self, shape: Shape, layers: list[Layer]) -> None:
        """Draw all layers on an input of this shape, or none of them."""
        self._start(Input(shape[1:], dtype=_input_dtype(layers)))
        try:
            self._connect(layers)
        except BaseException:
            self._start()
            raise

    def _start(self, *inputs: SymbolicTensor) -> None:
        self.inputs, self.outputs = list(inputs), list(inputs)
        self.calls, self._graph = [], None

    def _connect(self, layers: list[Layer]) -> None:
        """Draw these layers on the output; those it built are unbuilt if one does not fit."""
        outputs, made, fresh = self.outputs, [], [layer for layer in layers if not layer.built]
        try:
            for layer in layers:
                if len(outputs) > 1:
                    raise ValueError(f"{self!r}: {layer!r} would take {len(outputs)} outputs")
                layer(outputs[0])
                made.append(layer.nodes[-1])
                outputs = made[-1].outputs
        except BaseException:
            for node in made:
                node.layer.nodes.remove(node)
            for layer in fresh:
                layer.unbuild()
            raise
        self.outputs = outputs
        self.calls += made

    def _sort(self) -> None:
        """Make the graph of the calls so far; once for many layers, since it goes over all."""
        self._graph = Graph(self.inputs, self.outputs, self.calls) if self.calls else None

    @property
    def graph(self) -> Graph:
        """The calls of the layers, one after the other."""
        if self._graph is None:
            raise ValueError(f"{self!r}: there are no layers, or no shape of the input yet")
        return self._graph

    # ---- shapes ---------------------------------------------------------------

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Through all layers, which need not be built."""
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    @property
    def declared_shapes(self) -> list[Shape]:
        """Of the first layer; empty where the first batch decided."""
        return [] if self.declared_shape is None else [self.declared_shape]

    def check_shape(self, shape: Any) -> None:
        """The declared input shape, where there is one."""
        if self.declared_shape is not None:
            check_declared(self, self.declared_shape, shape)
        Layer.check_shape(self, shape)

    @property
    def input_dtypes(self) -> list[str]:
        """That of the first layer."""
        return [_input_dtype(self.layers) or self.dtype]

    @property
    def output_names(self) -> list[str]:
        """The name of the last layer."""
        return [self.layers[-1].name if self.layers else self.name]

    @property
    def final_activations(self) -> list[str]:
        """That of the last layer."""
        return [self.layers[-1].final_activation if self.layers else "linear"]

    # ---- configuration --------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """Name, input shape, and each layer's class and config."""
        return {
            **super().get_config(),
            "input_shape": self.declared_shape,
            "layers": [configuration.entry(layer) for layer in self.layers],
        }

    @classmethod
    def from_config(
        cls, values: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Sequential:
        """A new model, without the weights, from `get_config`."""
        values = dict(values)
        entries = values.pop("layers")
        return cls([configuration.layer_from(each, custom_objects) for each in entries], **values)


def _input_dtype(layers: list[Layer]) -> str | None:
    """The dtype that the first layer computes in."""
    first = layers[0] if layers else None
    return first.input_dtypes[0] if isinstance(first, Model) else first.dtype if first else None


def _contains(layer: Layer, model: Sequential) -> bool:
    """Whether a model is this layer, or lies in it."""
    return layer is model or any(_contains(each, model) for each in getattr(layer, "layers", ()))


def _declared(layer: Layer) -> Shape | None:
    """The shape that a first layer says it takes; a model of one input says so, too."""
    shapes = layer.declared_shapes if isinstance(layer, Model) else [layer.declared_shape]
    return shapes[0] if len(shapes) == 1 else None
