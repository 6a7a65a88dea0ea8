"""Copies of a layer to try other parameters on."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tinyconv import random
from tinyconv.backends import get_backend
from tinyconv.backends.base import Array
from tinyconv.layers.base import Layer

# Of a model that was trained; a forward pass neither needs nor changes them.
_SHARED = ("home", "optimizer", "history", "_buffer", "_trained")


def twin(layer: Layer, *shifts: Mapping[str, Array]) -> Layer:
    """A copy with parameters of its own, moved by all `shifts`; with what a layer keeps beside.

    The drawing of the graph is not copied with it, nor what belongs to its training.
    """
    inside = parts(layer, models=True)
    shared = [node for part in inside for node in part.nodes]
    shared += [vars(part)[key] for part in inside for key in _SHARED if key in vars(part)]
    made: Layer = copy.deepcopy(layer, {id(each): each for each in shared})
    for key, variable in parameters(made).items():
        moved = get_backend().to_numpy(variable.value)
        for each in shifts:
            moved = moved + each.get(key, 0.0)
        variable.value = get_backend().asarray(moved)
    return made


class Luck:
    """The state of the shared random generator, to draw the same numbers again."""

    def __init__(self) -> None:
        self._state = random.generator().bit_generator.state

    def again(self) -> None:
        """What is drawn next is what was drawn after this object was made."""
        random.generator().bit_generator.state = self._state


def parameters(layer: Layer) -> dict[str, Any]:
    """The parameters, frozen ones too, under the keys of `backward`'s gradients."""
    own = isinstance(getattr(layer, "layers", None), list)
    return {(w.path if own else w.name): w for w in layer.weights if w.name in w.layer.params}


def parts(layer: Layer, models: bool = False) -> list[Layer]:
    """The layers that a model is made of, at any depth, with or without the models among them."""
    inner = getattr(layer, "layers", None)
    if not isinstance(inner, list):
        return [layer]
    return [*([layer] if models else []), *(part for x in inner for part in parts(x, models))]
