"""What a page is about: one model, one image, and all that was computed for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.arguments import below
from tinyconv.explain.heat import coloured
from tinyconv.explain.report.choice import chosen
from tinyconv.explain.report.names import checked, names_for
from tinyconv.explain.report.prepare import Prepared, image_shape, one_input
from tinyconv.explain.scores import Scored, scored_sample
from tinyconv.explain.trace import Trace, trace
from tinyconv.explain.walk import Call, Walk, batch, numbers

if TYPE_CHECKING:
    from tinyconv.models.model import Model


class Subject(NamedTuple):
    """One model and one image.

    Attributes:
        model: that is explained.
        walk: through it, of the image alone.
        scored: the score of a class and its slopes; None for a model that gives no classes.
        chances: (classes,), the probabilities, or the scores where there are none; or None.
        names: of the classes, None where nobody knows them.
        trace: what each layer costs.
        picture: (H, W, 3) from 0 to 1.
        prepared: how the picture's file became the input; None if an array was given.
        file: of the model, None if it came from nowhere.
        deep: numbers of the calls whose inside is drawn.
    """

    model: Model
    walk: Walk
    scored: Scored | None
    chances: np.ndarray | None
    names: list[str] | None
    trace: Trace
    picture: np.ndarray
    prepared: Prepared | None
    file: Path | None
    deep: set[int]

    @property
    def calls(self) -> list[Call]:
        """Of the layers, in the order of the data."""
        return self.walk.calls

    @property
    def certain(self) -> bool:
        """Whether the chances are probabilities."""
        return self.scored is not None and self.scored.probability is not None

    def name(self, index: int) -> str:
        """Of a class."""
        return self.names[index] if self.names else f"class {index}"

    def slope(self, number: int) -> Any:
        """Of the score by the output of a call, an array of the backend or None."""
        return None if self.scored is None else self.scored.slopes.outputs[number]

    def source(self, number: int) -> str:
        """Python for the layer of a call."""
        parts = self.calls[number].path.split("/")
        return "model" + "".join(f".get_layer({part!r})" for part in parts)

    def origins(self, number: int) -> list[int]:
        """Numbers of the calls whose outputs a call takes; -1 is the image."""
        made = {slot: n for n, call in enumerate(self.calls) for slot in call.step.targets}
        return [made.get(slot, -1) for slot in self.calls[number].step.sources]


def subject(
    model: Model,
    x: Any,
    prepared: Prepared | None = None,
    file: Path | None = None,
    class_index: int | None = None,
    class_names: Sequence[str] | None = None,
    deep: int = 12,
    runs: int = 3,
) -> Subject:
    """Compute what a page tells; arguments as `report`.

    Raises:
        ValueError: for what does not fit, before anything is timed.
    """
    one_input(model)
    sample = batch(model, x)[0][:1]
    picture = _picture(sample, model, prepared)
    walk = Walk(model, sample)
    told = _scored(model, walk, sample, class_index)
    chances = None if told is None else _chances(told, walk)
    names = None
    if chances is not None:
        count = len(chances)
        given = class_names is not None
        names = checked(class_names or (), count) if given else names_for(model, count, file)
    return Subject(
        model, walk, told, chances, names, trace(model, sample, runs=runs),
        picture, prepared, file, chosen(walk.calls, deep),
    )  # fmt: skip


def _scored(model: Model, walk: Walk, sample: Any, class_index: int | None) -> Scored | None:
    """The score that is explained, None where the model gives something else than classes."""
    if len(walk.outputs) == 1 and walk.outputs[0].ndim == 2:
        return scored_sample(model, sample, class_index)
    if class_index is not None:
        below(model, class_index, 0, "class_index")
    return None


def _chances(told: Scored, walk: Walk) -> np.ndarray:
    """One number a class; one sigmoid output stands for two classes."""
    outputs = numbers(walk.outputs[0])[0].astype(np.float64)
    two = len(outputs) == 1 and told.probability is not None
    return np.array([1 - outputs[0], outputs[0]]) if two else outputs


def _picture(sample: Any, model: Model, prepared: Prepared | None) -> np.ndarray:
    if prepared is not None:
        return coloured(prepared.picture)
    pixels = numbers(sample)[0]
    if pixels.ndim == 3:
        return coloured(pixels[..., :3] if pixels.shape[2] == 4 else pixels)
    return coloured(pixels.reshape(image_shape(model)))
