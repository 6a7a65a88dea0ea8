"""How the loss pulls at each parameter, and what of it reaches each layer on the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.explain.panels import bars, histogram_column
from tinyconv.explain.style import FAINT, INK, new_figure, shorten
from tinyconv.explain.timing import Before
from tinyconv.explain.walk import Walk, numbers
from tinyconv.training.batch import Batch
from tinyconv.training.objective import Objective
from tinyconv.training.samples import make_batch
from tinyconv.training.step import regularized

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinyconv.models.model import Model


class ParameterGradient(NamedTuple):
    """The gradient of the loss by one parameter.

    Attributes:
        path: of the parameter: "conv2d/kernel".
        gradient: of its shape.
        norm: length of the gradient as a vector.
        weight_norm: that of the parameter.
        ratio: norm / weight_norm: how far a step of plain gradient descent at a learning rate of
            1 goes, as a share of the parameter; infinite where that is 0.
        zeros: share of the gradient that is exactly 0.
    """

    path: str
    gradient: np.ndarray
    norm: float
    weight_norm: float
    ratio: float
    zeros: float


class LayerSlope(NamedTuple):
    """The slope of the loss by the output of a layer; of the last, by its logits.

    Attributes:
        layer: its path in the model.
        rms: root of the mean square of the slopes; 0 if the loss does not depend on it.
        learns: whether the layer has parameters.
    """

    layer: str
    rms: float
    learns: bool


class LossGradients(NamedTuple):
    """What one batch says about how to change a model.

    Attributes:
        loss: of the batch, penalties included.
        parameters: those that are trained, in the order of the model's weights.
        slopes: of all calls of layers, in the order of the data.
    """

    loss: float
    parameters: list[ParameterGradient]
    slopes: list[LayerSlope]


def gradient_values(model: Model, x: Any, y: Any, training: bool = True) -> LossGradients:
    """The numbers that `gradients` draws; arguments as there."""
    data = make_batch(model, x, y)
    model._accept("explain.gradients", data)
    if not model.trainable_weights:
        raise ValueError(f"{model!r}: no layer is trainable, so there are no gradients to show")
    assert model.objective is not None  # _accept saw to it
    return gradients_of(model, model.objective, data, training)


def gradients_of(model: Model, objective: Objective, data: Batch, training: bool) -> LossGradients:
    """The gradients of an objective, be it the one that the model was compiled with or another."""
    logits = objective.fused(model.final_activations)
    before = Before(model)
    try:
        walk = Walk(model, data.x, training, logits)
    finally:
        before.put_back()
    result = objective.compute(data, walk.outputs, logits)
    slopes: dict[int, Array | None] = {}
    for slot, slope in zip(model.graph.outputs, result.gradients, strict=True):
        seen = slopes.get(slot)
        slopes[slot] = slope if seen is None or slope is None else seen + slope
    back = walk.backward_from(slopes)
    penalties = {variable.path: (variable, each) for variable, each in regularized(model)}
    loss = result.value + sum(float(each(v.value)) for v, each in penalties.values())
    parameters = []
    for variable in model.trainable_weights:
        found = back.parameters.get(variable.path)
        gradient = np.zeros(variable.shape) if found is None else numbers(found)
        if variable.path in penalties:
            gradient = gradient + numbers(penalties[variable.path][1].gradient(variable.value))
        parameters.append(_measured(variable.path, gradient, variable.numpy()))
    told = [
        LayerSlope(call.path, _rms(slope), bool(call.layer.params))
        for call, slope in zip(walk.calls, back.outputs, strict=True)
    ]
    return LossGradients(float(loss), parameters, told)


def gradients(model: Model, x: Any, y: Any, training: bool = True) -> Figure:
    """Draw the gradients of the loss by the kernels, and the slopes that reach each layer.

    Bars that shrink from the last layer to the first by powers of ten are gradients that vanish,
    bars that grow are gradients that explode. The model is left as it was, its statistics and
    its random numbers included.

    Args:
        model: compiled with a loss.
        x: inputs (N, ...), as for `fit`.
        y: targets, as for `fit`.
        training: the mode: in training, as in `fit`, dropout drops, and batch normalisation
            takes the statistics of this batch.

    Raises:
        RuntimeError: before `compile`.
        ValueError: for data that do not fit, or a model of which nothing is trained.
        ImportError: if matplotlib is not installed.
    """
    return draw_gradients(gradient_values(model, x, y, training))


def draw_gradients(told: LossGradients) -> Figure:
    """The picture of `gradients`."""
    # Biases and the like only where there is nothing else.
    kernels = [each for each in told.parameters if each.gradient.ndim > 1] or told.parameters
    slopes = [slope for slope in told.slopes if slope.learns]
    figure = new_figure(13.0, 0.75 * max(len(kernels), len(slopes)) + 1.4)
    figure.suptitle(
        f"What the loss of {told.loss:.4g} says to each layer",
        color=INK, fontweight="bold", fontsize=12,
    )  # fmt: skip
    parts: Any = figure.subfigures(1, 2, width_ratios=[3, 1.15])
    left, right = parts
    grid = left.add_gridspec(len(kernels), 3, width_ratios=[1.7, 1, 1])
    histogram_column(
        [left.add_subplot(grid[row, 0]) for row in range(len(kernels))],
        "gradient",
        [each.path for each in kernels],
        [each.gradient for each in kernels],
        [f"{each.zeros:.0%} are 0" for each in kernels],
    )
    lengths = [each.norm for each in kernels]
    bars(left.add_subplot(grid[:, 1]), lengths, "length of the gradient", log=True)
    ratios = [each.ratio for each in kernels]
    bars(left.add_subplot(grid[:, 2]), ratios, "length / length of the kernel", log=True)
    arriving = right.subplots()
    bars(arriving, [slope.rms for slope in slopes], "slope by the output (rms)", log=True)
    names = [shorten(slope.layer.rsplit("/", 1)[-1], 18) for slope in slopes]
    arriving.set_yticks(range(len(slopes)), names, fontsize=7.5, color=INK)
    arriving.tick_params(axis="y", length=0)
    figure.supxlabel("all bars on logarithmic scales", color=FAINT, fontsize=8)
    return figure


def _measured(path: str, gradient: np.ndarray, weight: np.ndarray) -> ParameterGradient:
    norm, weight_norm = (
        float(np.sqrt(np.square(each.astype(np.float64)).sum())) for each in (gradient, weight)
    )
    ratio = norm / weight_norm if weight_norm else float("inf") if norm else 0.0
    return ParameterGradient(
        path, gradient, norm, weight_norm, ratio, float((gradient == 0).mean())
    )


def _rms(slope: Array | None) -> float:
    return 0.0 if slope is None else float(np.sqrt(np.square(numbers(slope), dtype="f8").mean()))
