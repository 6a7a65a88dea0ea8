"""A pass through a model, call by call, with all of it kept: what the pictures are drawn from.

A model in use computes several layers as one operation and lets go of what lies between
(`models/plan.py`). Here every layer is called by itself, forward and backward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.geometry import fits
from tinyconv.layers.base import Cache, Gradients, Layer
from tinyconv.training.structure import in_order

if TYPE_CHECKING:
    from tinyconv.models.graph import Step
    from tinyconv.models.model import Model


class Call(NamedTuple):
    """One call of a layer.

    Attributes:
        step: the layer, its path in the model, and the slots of what it takes and gives.
        inputs, outputs: arrays of the backend, (N, ...).
        cache: for the way back.
    """

    step: Step
    inputs: list[Array]
    outputs: list[Array]
    cache: Cache

    @property
    def layer(self) -> Layer:
        """The layer that is called."""
        return self.step.layer

    @property
    def path(self) -> str:
        """Its name, after those of the models that it lies in: "vgg16/block1_conv1"."""
        return self.step.path

    @property
    def output(self) -> Array:
        """The (first) output."""
        return self.outputs[0]


class Slopes(NamedTuple):
    """What came back: the slopes of one number by everything below it.

    Attributes:
        outputs: by the (first) output of each call, None where nothing depends on it.
        inputs: by the inputs of the model.
        parameters: by path, such as "conv2d/kernel".
    """

    outputs: list[Array | None]
    inputs: list[Array | None]
    parameters: Gradients


class Walk:
    """Call the layers of a model one by one.

    Args:
        model: with known shapes, or ready to be built by x.
        x: as `batch`.
        training: the mode. In training the layers change their statistics, as ever.
        logits: for each output, whether its last layer leaves its activation out; none unless
            given.

    Attributes:
        inputs, outputs: of the model.
        calls: in the order they were made.
    """

    def __init__(
        self, model: Model, x: Any, training: bool = False, logits: Sequence[bool] = ()
    ) -> None:
        self.model, self.inputs = model, batch(model, x)
        graph = model.graph
        bare = {step for step, left in zip(graph.last_steps, logits, strict=False) if left}
        self.calls: list[Call] = []
        values = dict(zip(graph.inputs, self.inputs, strict=True))
        for number, step in enumerate(graph.steps):
            taken = [values[slot] for slot in step.sources]
            given: Any = taken if step.listed else taken[0]
            mode = training if step.training is None else bool(step.training)
            forward = step.layer.forward_logits if number in bare else step.layer.forward
            y, cache = forward(given, mode)
            made = list(y) if len(step.targets) > 1 else [y]
            values.update(zip(step.targets, made, strict=True))
            self.calls.append(Call(step, taken, made, cache))
        self.outputs = [values[slot] for slot in graph.outputs]

    def number(self, layer: Layer | str) -> int:
        """The position of the first call of a layer, given itself, by its name or by its path.

        Raises:
            ValueError: if the model has no such layer, or several of that name; it lists them.
        """
        return find(self.model, layer)

    def backward(self, dy: Array, call: int = -1) -> Slopes:
        """The chain rule from the (first) output of a call back to the inputs.

        Args:
            dy: slope by that output, of its shape.
            call: its number, the last unless given.
        """
        return self.backward_from({self.calls[call].step.targets[0]: dy})

    def backward_from(self, slopes: Mapping[int, Array | None]) -> Slopes:
        """The chain rule from several values at once, by their slots; None is no slope."""
        at = {slot: slope for slot, slope in slopes.items() if slope is not None}
        outputs: list[Array | None] = [None] * len(self.calls)
        parameters: Gradients = {}
        for number in reversed(range(len(self.calls))):
            _, path, sources, targets, listed, _ = self.calls[number].step
            dys = [at.get(slot) for slot in targets]
            outputs[number] = dys[0]
            if all(each is None for each in dys):
                continue
            layer, cache = self.calls[number].layer, self.calls[number].cache
            dx, own = layer.backward(dys if len(dys) > 1 else dys[0], cache)
            for slot, slope in zip(sources, dx if listed else [dx], strict=True):
                at[slot] = at[slot] + slope if slot in at else slope
            for key, gradient in own.items():
                place = f"{path}/{key}"
                seen = parameters.get(place)
                parameters[place] = gradient if seen is None else seen + gradient
        inputs = [at.get(slot) for slot in self.model.graph.inputs]
        return Slopes(outputs, inputs, parameters)


def batch(model: Model, x: Any) -> list[Array]:
    """The inputs of a model as arrays of the backend, checked.

    Args:
        x: images (N, H, W, C), or where the model has one input a single image (H, W, C);
            grey images may lack the channel axis. Several inputs as for `predict`.
    """
    given = in_order(model, model.input_names, x, "x")
    declared = model.inputs[0].shape if len(model.inputs) == 1 else None
    if declared is not None:
        given = [_with_batch(get_backend().asarray(given[0]), declared[1:])]
    return model.check_inputs(given)


def _with_batch(x: Array, declared: tuple[int | None, ...]) -> Array:
    """x with a batch axis if it is one image."""
    if fits(x.shape, declared):
        return x[None]
    if declared[-1:] == (1,) and x.ndim == len(declared) - 1 and fits(x.shape, declared[:-1]):
        return x[None, ..., None]
    return x


def find(model: Model, layer: Layer | str) -> int:
    """The number of the first call of a layer: see `Walk.number`."""
    steps = model.graph.steps
    if isinstance(layer, Layer):
        found = [number for number, step in enumerate(steps) if step.layer is layer]
        return _first(model, found, repr(layer))
    same = [number for number, step in enumerate(steps) if step.path == layer]
    if not same:  # a name inside a nested model
        same = [n for n, step in enumerate(steps) if step.path.rsplit("/", 1)[-1] == layer]
        paths = sorted({steps[number].path for number in same})
        if len(paths) > 1:
            raise ValueError(f"{model!r}: {layer!r} is the name of several layers: {paths}")
    return _first(model, same, f"layer {layer!r}")


def _first(model: Model, found: Sequence[int], wanted: str) -> int:
    if found:
        return found[0]
    paths = list(dict.fromkeys(step.path for step in model.graph.steps))
    raise ValueError(f"{model!r}: no {wanted}. Layers: {paths}")


def numbers(x: Array) -> np.ndarray:
    """An array of the backend as a NumPy array of its own."""
    return np.array(get_backend().to_numpy(x))


def one_image(layer: Layer, x: Any) -> Array:
    """The first of the images that a layer takes, (1, H, W, C), checked.

    Args:
        x: what the layer takes, (N, H, W, C); or one image, (H, W, C) or, grey, (H, W).
    """
    image = get_backend().asarray(x, layer.dtype)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim == 3:
        image = image[None]
    return layer.prepare(image)[:1]
