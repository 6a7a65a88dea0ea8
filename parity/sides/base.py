"""What a library must be able to do for a case to be carried out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from parity.case import Results
from parity.data import Array, generator, weight_values


class Batch(NamedTuple):
    """What one step is trained on: arrays, or lists of them for several inputs and outputs."""

    x: Any
    y: Any
    weight: Any = None


class Side(ABC):
    """One of the two libraries.

    `library` has the names both share: `library.layers.Conv2D`, `library.losses`, and so on.
    """

    name: str
    library: Any

    @abstractmethod
    def precision(self, dtype: str) -> AbstractContextManager[None]:
        """Inside the block everything is built and computed in this dtype."""

    @abstractmethod
    def build(self, layer: Any, shape: Any) -> None:
        """Create the parameters for inputs of this shape, batch included, or of these shapes."""

    @abstractmethod
    def layer(self, layer: Any, inputs: Sequence[Any], training: bool) -> Results:
        """Forward through all inputs in turn, backward through the last.

        Returns "output", "dx", each parameter's gradient by its name, and each statistic. Where
        a layer takes or gives a list they are "output[0]", "output[1]", "dx[0]", and so on.
        """

    @abstractmethod
    def activation(self, name: str, x: Array, arguments: dict[str, Any]) -> Results:
        """ "output" of activations.name(x, **arguments), and "dx"."""

    @abstractmethod
    def loss(self, loss: Any, y_true: Array, y_pred: Array, weight: Array | None) -> Results:
        """ "output", the loss or losses, and "dx", the gradient by y_pred."""

    @abstractmethod
    def metric(self, metric: Any, updates: Sequence[Sequence[Any]]) -> list[float]:
        """The result after each update, given the arguments of `update_state`."""

    @abstractmethod
    def optimize(
        self, optimizer: Any, start: Sequence[Array], gradients: Sequence[Sequence[Array]]
    ) -> list[Array]:
        """The variables after one step for each list of gradients."""

    @abstractmethod
    def rates(self, schedule: Any, steps: Sequence[int]) -> list[float]:
        """The learning rates of these steps."""

    @abstractmethod
    def compile(
        self,
        model: Any,
        optimizer: Any,
        loss: Any,
        metrics: Any = None,
        literally: bool = False,
        **more: Any,
    ) -> None:
        """model.compile, in the plainest mode of the library.

        `literally` keeps Keras' losses from looking through the outputs at the logits that
        they were made of.
        """

    @abstractmethod
    def gradients(self, model: Any, batch: Batch) -> Results:
        """Of a compiled model, on the way a training step takes.

        Returns "loss", "output" (or "output[0]", ...), and each parameter's gradient and statistic
        by its path.
        """

    @abstractmethod
    def train(self, model: Any, batches: Sequence[Batch], **options: Any) -> Results:
        """One step a batch: "losses", and all weights afterwards by their path."""

    @abstractmethod
    def initialize(self, initializer: Any, shape: tuple[int, ...], dtype: str) -> Array:
        """Initial values."""

    @abstractmethod
    def penalty(self, regularizer: Any, w: Array) -> Results:
        """ "output", the penalty, and "dx", its gradient."""


def cotangent(shape: tuple[int, ...], dtype: str, place: int = 0) -> Array:
    """The random dy that turns an output into one number: the sum of dy * y.

    A sum of all outputs would not do: that of a softmax is 1 whatever the input, and its
    gradient 0 even for a wrong backward pass. Several outputs get different ones by `place`.
    """
    key = ("cotangent", shape, place) if place else ("cotangent", shape)
    return generator(*key).standard_normal(shape).astype(dtype)


def numbered(name: str, values: Any) -> Results:
    """{"dx": value}, or {"dx[0]": value, "dx[1]": ...} of a list."""
    if not isinstance(values, (list, tuple)):
        return {name: values}
    return {f"{name}[{place}]": value for place, value in enumerate(values)}


def as_list(values: Any) -> list[Any]:
    """The list, or a list of the only value."""
    return list(values) if isinstance(values, (list, tuple)) else [values]


def fill_weights(layer: Any, dtype: str) -> None:
    """The same values into the parameters and statistics of either library's layer or model.

    They are drawn by place, name and shape, so that other orders or names show up as errors.
    """
    layer.set_weights(
        [
            weight_values(weight.name, tuple(weight.shape), place).astype(dtype)
            for place, weight in enumerate(layer.weights)
        ]
    )


def key(path: str) -> str:
    """The end of a variable's path, "layer/kernel", which both libraries have in common."""
    return "/".join(path.split("/")[-2:])
