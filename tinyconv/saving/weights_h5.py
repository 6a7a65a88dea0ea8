"""Keras 3's layout of weights in HDF5: alone in `.weights.h5`, or inside a `.keras` file.

    layers/conv2d/vars/0      the first weight of the first Conv2D
    layers/conv2d/vars/1      its second
    layers/conv2d_1/vars/0    the first of the second Conv2D
    layers/sequential/layers/dense/vars/0      inside a nested model
    optimizer/vars/0          the optimizer's, see `optimizer_state`

A layer's place follows from its class and its position among the layers of that
class, not from its name; the name is kept as an attribute of `vars`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tinyconv.backends import get_backend
from tinyconv.registry import snake_case
from tinyconv.saving import optimizer_state
from tinyconv.saving.hdf5 import h5py_module, text
from tinyconv.saving.matching import Matches
from tinyconv.training.warn import warn_user

if TYPE_CHECKING:
    from tinyconv.layers.base import Layer
    from tinyconv.layers.variable import Variable
    from tinyconv.models.model import Model


def write(h5: Any, model: Model, include_optimizer: bool = True) -> None:
    """Fill a new HDF5 file."""
    h5.create_group("vars").attrs["name"] = model.name
    for group, layer in places(model):
        variables = h5.create_group(f"{group}/vars")
        variables.attrs["name"] = layer.name
        for index, weight in enumerate(_own(layer)):
            variables[str(index)] = get_backend().to_numpy(weight.value)
    if include_optimizer and model.compiled:
        variables = h5.create_group("optimizer/vars")
        for index, (_, value) in enumerate(optimizer_state.named_values(model)):
            variables[str(index)] = value


def match(h5: Any, model: Model, matches: Matches) -> None:
    """Find the value of every weight.

    Raises:
        FileError: where the file does not fit the model.
    """
    _check_surplus(h5, model, matches)
    _warn_of_order(h5, model, matches)
    for group, layer in places(model):
        variables = h5.get(f"{group}/vars", {})
        dataset = h5py_module().Dataset
        found = [variables.get(str(index)) for index in range(len(variables))]
        found = [each if isinstance(each, dataset) else None for each in found]
        matches.add(layer, _own(layer), found, together=True)


def optimizer_values(h5: Any) -> list[Any]:
    """The datasets of the optimizer, in order; none where it was not saved."""
    variables = h5.get("optimizer/vars", {})
    return [variables[str(index)] for index in range(len(variables))]


def places(model: Model, prefix: str = "", seen: set[int] | None = None) -> Iterator[Any]:
    """Each layer with the group of the file that holds its weights.

    A layer that is met again, inside a nested model say, has its place where it was met first.
    """
    seen = set() if seen is None else seen
    counts: Counter[str] = Counter()
    for layer in model.layers:
        name = snake_case(type(layer).__name__)
        number = f"_{counts[name]}" if counts[name] else ""
        counts[name] += 1
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        group = f"{prefix}layers/{name}{number}"
        yield group, layer
        if _is_model(layer):
            yield from places(layer, f"{group}/", seen)  # type: ignore[arg-type]


def _check_surplus(h5: Any, model: Model, matches: Matches) -> None:
    """A mismatch, if the file holds weights that the model has no place for."""
    known = {f"{group}/vars" for group, _ in places(model)}
    held: set[str] = set()
    h5.visit(held.add)
    # Older versions keep the state of a Dropout's random numbers among the weights.
    surplus = sorted(
        name
        for name in held
        if name.startswith("layers/")
        and name.rpartition("/")[0].endswith("/vars")
        and name.rpartition("/")[0] not in known
        and "seed_generator" not in name
    )
    if surplus:
        matches.mismatch(
            f"{model!r} has no place for {len(surplus)} of its weights: "
            f"{', '.join(surplus[:4])}{', ...' if len(surplus) > 4 else ''}"
        )


def _warn_of_order(h5: Any, model: Model, matches: Matches) -> None:
    """Tell it where the places hold each other's layers, by the names that were kept."""
    names, held = [], []
    for group, layer in places(model):
        variables = h5.get(f"{group}/vars")
        if _own(layer) and variables is not None:
            names.append(layer.name)
            held.append(text(variables.attrs.get("name", "")))
    if names != held and sorted(names) == sorted(held):
        here, there = next((a, b) for a, b in zip(names, held, strict=True) if a != b)
        warn_user(
            f"{matches.file}: the layers of {model!r} are there in another order: {there!r} is "
            f"where {here!r} belongs. They are read in the order of the file, whatever their names"
        )


def _own(layer: Layer) -> list[Variable]:
    """The weights of a layer itself; those of a nested model belong to its layers."""
    return [] if _is_model(layer) else layer.weights


def _is_model(layer: Layer) -> bool:
    return hasattr(layer, "layers")
