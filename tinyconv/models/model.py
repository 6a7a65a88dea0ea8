"""What every model has, whatever the way its layers are connected."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tinyconv import saving
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import Shape, fits
from tinyconv.layers.base import Cache, Gradients
from tinyconv.layers.input import check_declared
from tinyconv.layers.symbolic import Node, SymbolicTensor
from tinyconv.models.container import Container
from tinyconv.models.graph import Graph
from tinyconv.models.moving import move
from tinyconv.models.summary import summary_text
from tinyconv.training.structure import in_order


class Model(Container):
    """A layer made of layers, which can be trained.

        x = Input((28, 28, 1))
        y = Dense(10, activation="softmax")(Flatten()(x))
        model = Model(x, y)                      # `Functional`: any graph of layers

    The layers hold the parameters. The gradients that `backward` returns are keyed by the
    path of their variable below the model: "conv2d/kernel", "head/dense/bias". A model of
    several inputs takes a list of arrays (or a dict by name), one of several outputs gives a
    list.
    """

    inputs: list[SymbolicTensor]  # empty until the shape of the input is known
    outputs: list[SymbolicTensor]
    home: Any = None  # the array module of the backend that has the weights
    calls: list[Node]  # of its layers, in an order in which they can be made

    def __new__(cls, *arguments: Any, **named: Any) -> Model:
        if cls is Model:
            from tinyconv.models.functional import Functional

            return super().__new__(Functional)
        if cls.graph is Model.graph:
            raise TypeError(
                f"{cls.__name__}: a model is drawn here, not written as a class with call(): use "
                "Model(inputs, outputs) or Sequential, and a Layer with forward and backward for "
                "what no layer does yet"
            )
        return super().__new__(cls)

    # ---- inputs and outputs ---------------------------------------------------

    @property
    def graph(self) -> Graph:
        """The calls of the layers, in order."""
        raise TypeError(f"{self!r} defines no graph")

    @property
    def input(self) -> Any:
        """The symbolic input, or the list of them."""
        self._require_shapes("input")
        return self.inputs if len(self.inputs) > 1 else self.inputs[0]

    @property
    def output(self) -> Any:
        """The symbolic output, or the list of them."""
        self._require_shapes("output")
        return self.outputs if len(self.outputs) > 1 else self.outputs[0]

    @property
    def input_shape(self) -> Any:
        """With the batch; a list where there are several inputs."""
        return self.input.shape if len(self.inputs) == 1 else [x.shape for x in self.input]

    @property
    def output_shape(self) -> Any:
        """With the batch; a list where there are several outputs."""
        return self.output.shape if len(self.outputs) == 1 else [y.shape for y in self.output]

    def _require_shapes(self, wanted: str) -> None:
        if not self.inputs:
            raise ValueError(
                f"{self!r} has no {wanted} yet: the shape of its input is not known. Start with "
                "an Input, give the first layer input_shape=, or call build(input_shape)"
            )

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, in their order."""
        return [tensor.name for tensor in self.inputs] or ["input"]

    @property
    def output_names(self) -> list[str]:
        """Names of the layers that give the outputs; numbered where one gives several."""
        names: list[str] = []
        for tensor in self.outputs:
            count, name = 0, tensor.name
            while name in names:
                count, name = count + 1, f"{tensor.name}_{count + 1}"
            names.append(name)
        return names

    @property
    def input_dtypes(self) -> list[str]:
        """The dtypes that the inputs are computed in."""
        return [tensor.dtype for tensor in self.inputs]

    @property
    def output_shapes(self) -> list[Shape]:
        """Shapes of the outputs, with the batch; empty while the model is not built."""
        return [tensor.shape for tensor in self.outputs] if self.built else []

    @property
    def final_activations(self) -> list[str]:
        """The activation that each output has gone through last and that a loss may take over."""
        return self.graph.final_activations

    @property
    def final_activation(self) -> str:
        """That of the only output."""
        return self.final_activations[0] if len(self.outputs) == 1 else "linear"

    @property
    def declared_shapes(self) -> list[Shape]:
        """What each input was declared to be, without the batch."""
        return [tensor.shape[1:] for tensor in self.inputs]

    def check_shape(self, shape: Any) -> None:
        """The declared shape of each input."""
        shapes = shape if len(self.inputs) > 1 and isinstance(shape, list) else [shape]
        if len(shapes) != len(self.inputs):
            raise ValueError(
                f"{self!r}: expected {len(self.inputs)} inputs {self.input_names}. "
                f"Received: shape {shape}"
            )
        for tensor, each in zip(self.inputs, shapes, strict=True):
            what = "input" if len(self.inputs) == 1 else f"input {tensor.name!r}"
            check_declared(self, tensor.shape[1:], each, what)
            super().check_shape(each)

    def check_inputs(self, inputs: list[Any]) -> list[Array]:
        """The inputs as arrays, their shapes checked; grey images may lack the channel axis."""
        if self.home is not get_backend().xp:
            move(self)
        arrays = [get_backend().as_it_is(each) for each in inputs]
        for index, (declared, x) in enumerate(zip(self.declared_shapes, arrays, strict=False)):
            grey = declared[-1:] == (1,) and fits(x.shape[1:], declared[:-1])
            if grey and x.shape[-1:] != (1,):  # else it is one image without its batch axis
                arrays[index] = x[..., None]
        shapes = [x.shape for x in arrays]
        self.check_shape(shapes if len(shapes) > 1 else shapes[0])
        if not self.built:
            self.ensure_built((None, *shapes[0][1:]))
        for x in arrays:
            if len(x) != len(arrays[0]):
                raise ValueError(
                    f"{self!r}: the inputs must have the same length. "
                    f"Received: {[len(each) for each in arrays]}"
                )
        return arrays

    def cast(self, x: Any) -> Array:
        """An array of the backend; its layers choose the dtype."""
        return get_backend().asarray(x)

    def draw(self, x: Any, training: bool | None) -> Any:
        """Called on symbolic tensors the model is one layer of another."""
        if isinstance(x, (list, tuple, Mapping)) and self.inputs:
            x = in_order(self, self.input_names, x, "its inputs")
            x = x if len(x) > 1 else x[0]
        return super().draw(x, training)

    def symbolic_outputs(self, input_shape: Any) -> list[tuple[Shape, str]]:
        """Shape and dtype of each output for inputs of this shape."""
        shapes = input_shape if len(self.inputs) > 1 else [input_shape]
        made = self.graph.output_shapes(shapes)
        return [(shape, y.dtype) for shape, y in zip(made, self.outputs, strict=True)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output, or a list of shapes."""
        shapes = [shape for shape, _ in self.symbolic_outputs(input_shape)]
        return shapes if len(shapes) > 1 else shapes[0]

    # ---- forward and backward -------------------------------------------------

    def _inputs(self, x: Any) -> list[Array]:
        """Arrays of the inputs' dtypes, whatever they came in."""
        arrays = self.check_inputs(in_order(self, self.input_names, x, "x"))
        asarray = get_backend().asarray
        return [asarray(each, dtype) for each, dtype in zip(arrays, self.input_dtypes, strict=True)]

    def forward(self, x: Any, training: bool = False) -> tuple[Any, Cache]:
        """Each layer on what it was drawn on; the tape keeps their caches."""
        inputs = self._inputs(x)
        return self._forward(inputs, training, (), everything=True)

    def forward_for_loss(
        self, inputs: list[Array], training: bool, logits: Sequence[bool]
    ) -> tuple[list[Array], Cache]:
        """For training; see `Compiled.forward_for_loss`."""
        inputs = self._inputs(inputs)
        if not training:
            return self.graph.infer(inputs, False, logits), Cache(self, ())
        y, cache = self._forward(inputs, training, logits, everything=False)
        return y if len(self.outputs) > 1 else [y], cache

    def _forward(
        self, inputs: list[Array], training: bool, logits: Sequence[bool], everything: bool
    ) -> tuple[Any, Cache]:
        """`everything`: the slopes of the inputs and the gradients of frozen parameters, too."""
        needed = [everything] * len(inputs)
        outputs, tape = self.graph.forward(inputs, training, needed, logits, everything)
        if len(outputs) > 1:
            return outputs, Cache(self, [y.shape for y in outputs], tape=tape)
        return outputs[0], Cache(self, outputs[0].shape, tape=tape)

    def infer(self, x: Any) -> Any:
        """The output alone; no cache outlives its layer."""
        return self.compute(x, training=False)

    def compute(self, x: Any, training: bool) -> Any:
        """The same in either mode."""
        inputs = self._inputs(x)  # first: it may build the graph
        outputs = self.graph.infer(inputs, training)
        return outputs if len(outputs) > 1 else outputs[0]

    def check_backward(self, dy: Any, cache: Cache) -> Any:
        """dy as a list of arrays; None for an output that the loss does not depend on."""
        if len(self.outputs) == 1:
            return [super().check_backward(dy, cache)]
        shapes = [None if each is None else tuple(each.shape) for each in dy]
        if len(dy) != len(self.outputs) or any(
            got not in (None, want) for got, want in zip(shapes, cache.shape, strict=True)
        ):
            raise ValueError(
                f"{self!r}: expected dy of the outputs' shapes {cache.shape}. Received: {shapes}"
            )
        return dy

    def backward(self, dy: Any, cache: Cache) -> tuple[Any, Gradients]:
        """The chain rule through the graph; dx is a list where there are several inputs."""
        dx, grads = self.graph.backward(self.check_backward(dy, cache), cache.tape)
        return dx if len(dx) > 1 else dx[0], grads

    def backward_from_loss(
        self, gradients: list[Array | None], tape: Cache, into: Gradients | None = None
    ) -> Gradients:
        """The gradients of the trained parameters, by path; the tape is used up."""
        return self.graph.backward(gradients, tape.tape, last=True, into=into)[1]

    # ---- files and the summary ------------------------------------------------

    def save(
        self, path: str | os.PathLike[str], overwrite: bool = True, include_optimizer: bool = True
    ) -> None:
        """Write the whole model to a `.keras` or `.h5` file; see `tinyconv.saving.save_model`."""
        saving.save_model(self, path, overwrite, include_optimizer)

    def save_weights(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights alone; see `tinyconv.saving.save_weights`."""
        saving.save_weights(self, path, overwrite)

    def load_weights(
        self, path: str | os.PathLike[str], by_name: bool = False, skip_mismatch: bool = False
    ) -> None:
        """Read weights that tinyconv or Keras saved; see `tinyconv.saving.load_weights`."""
        saving.load_weights(self, path, by_name=by_name, skip_mismatch=skip_mismatch)

    def summary(
        self,
        line_length: int | None = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
    ) -> None:
        """Print the layers, their output shapes and their numbers of parameters.

        Args:
            line_length: width in characters.
            print_fn: called with the text instead of `print`.
            expand_nested: whether the layers of nested models are listed too.
            show_trainable: whether a column says what is trained.

        Raises:
            ValueError: while the shape of the input is unknown.
        """
        text = summary_text(self, line_length, expand_nested, show_trainable)
        (print_fn or print)(text)

    @classmethod
    def from_config(
        cls, values: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Model:
        """A new model, without the weights, from the `get_config` of a `Functional`."""
        from tinyconv.models.functional import Functional

        return Functional.from_config(values, custom_objects)
