"""The score of a class, and the way back from it: what Grad-CAM and saliency start from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.arguments import below
from tinyconv.explain.walk import Slopes, Walk, batch, numbers

if TYPE_CHECKING:
    from tinyconv.models.model import Model


class Scored(NamedTuple):
    """One image, its score for a class, and the slopes of that score.

    Attributes:
        walk: through the model.
        class_index: of the class.
        score: its logit, before the last softmax or sigmoid; the output itself if there is none.
        probability: None without such an activation.
        slopes: of the score.
    """

    walk: Walk
    class_index: int
    score: float
    probability: float | None
    slopes: Slopes


def scored(model: Model, x: Any, class_index: int | None) -> Scored:
    """Score the first image of x for a class, the most probable unless given.

    A model of one sigmoid output knows two classes, 0 and 1; the score of 0 is that of 1 with
    the other sign.

    Raises:
        ValueError: for a class that is not there, an x that does not fit, or a model of several
            inputs or outputs, or whose input is no image or whose output no classes.
    """
    images = batch(model, x)
    if len(images) != 1 or images[0].ndim != 4:
        raise ValueError(
            f"{model!r}: expected one input (batch, height, width, channels). "
            f"Received: shapes {[each.shape for each in images]}"
        )
    return scored_sample(model, images[0][:1], class_index)


def scored_sample(model: Model, x: Any, class_index: int | None) -> Scored:
    """As `scored`, of one sample with its batch axis, be it an image or not."""
    activation = model.final_activations[0]
    squashed = activation in ("softmax", "sigmoid")
    walk = Walk(model, x, logits=[squashed])
    if len(walk.outputs) != 1 or walk.outputs[0].ndim != 2:
        raise ValueError(
            f"{model!r}: expected one output (batch, classes). "
            f"Received: shapes {[each.shape for each in walk.outputs]}"
        )
    logits = numbers(walk.outputs[0])[0].astype(np.float64)
    two = activation == "sigmoid" and len(logits) == 1
    scores = np.array([-logits[0], logits[0]]) if two else logits
    best = int(scores.argmax())
    chosen = best if class_index is None else below(model, class_index, len(scores), "class_index")
    dy = np.zeros((1, len(logits)))
    dy[0, 0 if two else chosen] = -1 if two and chosen == 0 else 1
    score = float(scores[chosen])
    probability = None
    if activation == "softmax":
        shares = np.exp(scores - scores.max())
        probability = float(shares[chosen] / shares.sum())
    elif squashed:
        probability = float(1 / (1 + np.exp(-score)))
    return Scored(walk, chosen, score, probability, walk.backward(dy))


def layer_slopes(model: Model, x: Any, class_index: int | None = None) -> dict[str, np.ndarray]:
    """The slope of the score of a class by what each layer gives, by the layer's path.

    The counterpart of `layer_values`, for the way back: `col2im(layer, values["conv"].input,
    dy=slopes["conv"])`. Of the last layer by its logits. Of a layer that is called several times
    the first call; layers that the score does not depend on are left out.

    Args:
        model: a classifier with one input.
        x: an image (H, W, C), or several, of which the first is taken.
        class_index: the class, the most probable unless given; 0 or 1 of one sigmoid output.

    Raises:
        ValueError: for a class that is not there, an x that does not fit, or a model with several
            outputs.
    """
    told = scored_sample(model, batch(model, x)[0][:1], class_index)
    found: dict[str, np.ndarray] = {}
    for call, slope in zip(told.walk.calls, told.slopes.outputs, strict=True):
        if slope is not None:
            found.setdefault(call.path, numbers(slope))
    return found


def verdict(told: Any, class_names: Sequence[str] | None) -> str:
    """The class and its probability, or its score, in words."""
    known = class_names is not None and told.class_index < len(class_names)
    name = class_names[told.class_index] if known and class_names else f"class {told.class_index}"
    if told.probability is None:
        return f"{name}: score {told.score:.3g}"
    return f"{name}: {told.probability:.1%}"
