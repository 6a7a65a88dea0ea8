"""Values that are not there yet: what a layer is called on while a model is being drawn.

    x = Input((28, 28, 1))          x.node   the Input's node
    y = Conv2D(32, 3)(x)            y.node   Node(layer=conv2d, inputs=[x], outputs=[y])

The nodes are the graph: each knows the tensors it takes and gives, each tensor the node
that makes it. A layer that is called twice has two nodes, and its parameters are shared.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from tinyconv.geometry import Shape


class SymbolicTensor:
    """A value known by its shape alone.

    Attributes:
        shape: with the batch, None where unknown.
        dtype: "float32" or "float64".
        node: the call of a layer that makes it.
        index: its number among the outputs of that call.
    """

    def __init__(self, shape: Shape, dtype: str, node: Node, index: int) -> None:
        self.shape, self.dtype, self.node, self.index = tuple(shape), dtype, node, index

    @property
    def name(self) -> str:
        """The name of the layer that makes it."""
        return self.node.layer.name

    @property
    def place(self) -> tuple[str, int, int]:
        """(layer, number of the call, number of the output): Keras' way to refer to it."""
        return self.name, self.node.index, self.index

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape}, dtype={self.dtype}, from {self.name!r}>"

    def _no_arithmetic(self, *_: Any) -> Any:
        raise TypeError(
            f"{self!r}: arithmetic does not draw a graph here, layers do. For a sum of two use "
            "layers.Add()([a, b]), for a factor layers.Rescaling, or write a Layer of your own"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _no_arithmetic
    __truediv__ = __rtruediv__ = __pow__ = __matmul__ = __neg__ = __getitem__ = _no_arithmetic

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            f"{self!r} holds no numbers: it stands for a value while a model is being drawn. "
            "Make a Model of it and call that on an array"
        )


class Node:
    """One call of a layer while a model is being drawn.

    Attributes:
        layer: that was called.
        inputs: the tensors it was called on; none for an Input.
        outputs: the tensors it gave.
        listed: whether it was called on a list, as Add and models of several inputs are.
        training: the mode it was called with, None for that of the model.
        index: number of the call among those of its layer.
    """

    def __init__(
        self,
        layer: Any,
        inputs: Sequence[SymbolicTensor],
        shapes: Sequence[Shape],
        dtypes: Sequence[str],
        listed: bool = False,
        training: bool | None = None,
    ) -> None:
        self.layer, self.inputs, self.listed, self.training = layer, list(inputs), listed, training
        self.index = len(layer.nodes)
        self.outputs = [
            SymbolicTensor(shape, dtype, self, number)
            for number, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True))
        ]
        layer.nodes.append(self)

    def __repr__(self) -> str:
        return f"<call {self.index} of {self.layer!r}>"


def is_symbolic(x: Any) -> bool:
    """Whether x is a symbolic tensor, or a list that holds one."""
    if isinstance(x, (list, tuple)):
        return any(isinstance(each, SymbolicTensor) for each in x)
    return isinstance(x, SymbolicTensor)


class Drawable:
    """The half of a layer that is called on symbolic tensors: it records, and computes nothing."""

    name: str
    dtype: str
    nodes: list[Node]  # its calls

    @abstractmethod
    def ensure_built(self, input_shape: Any) -> None:
        """Check the shape and, the first time, create the parameters for it."""

    @abstractmethod
    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output for an input of this shape."""

    def draw(self, x: Any, training: bool | None) -> Any:
        """Record a call on a symbolic tensor or a list of them; its symbolic outputs.

        Raises:
            TypeError: for symbolic tensors mixed with arrays.
            ValueError: for shapes that do not fit the layer.
        """
        listed = isinstance(x, (list, tuple))
        inputs = list(x) if listed else [x]
        for each in inputs:
            if not isinstance(each, SymbolicTensor):
                raise TypeError(
                    f"{self!r}: called on symbolic tensors and something else at once. "
                    f"Received: {type(each).__name__}"
                )
        shapes: Any = [each.shape for each in inputs]
        shape = shapes if listed else shapes[0]
        self.ensure_built(shape)
        shapes, dtypes = zip(*self.symbolic_outputs(shape), strict=True)
        node = Node(self, inputs, shapes, dtypes, listed, training)
        return node.outputs if len(node.outputs) > 1 else node.outputs[0]

    def symbolic_outputs(self, input_shape: Any) -> list[tuple[Shape, str]]:
        """Shape and dtype of each output for inputs of this shape."""
        return [(self.compute_output_shape(input_shape), self.dtype)]

    @property
    def input(self) -> Any:
        """What the layer was called on first: a symbolic tensor, or several."""
        node = self._first_node("input")
        return node.inputs if len(node.inputs) > 1 else (node.inputs or node.outputs)[0]

    @property
    def output(self) -> Any:
        """What its first call on symbolic tensors gave."""
        node = self._first_node("output")
        return node.outputs if len(node.outputs) > 1 else node.outputs[0]

    def _first_node(self, wanted: str) -> Node:
        if not self.nodes:
            raise ValueError(
                f"{self!r} has no {wanted} yet: it is not part of a model whose shapes are known"
            )
        return self.nodes[0]
