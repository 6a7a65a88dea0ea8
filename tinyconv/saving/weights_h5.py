"""Keras 3's `.weights.h5`: the weights of a model, layer by layer.

    layers/conv2d/vars/0      the first weight of the first Conv2D
    layers/conv2d/vars/1      its second
    layers/conv2d_1/vars/0    the first of the second Conv2D
    layers/sequential/layers/dense/vars/0      inside a nested model

A layer's place follows from its class and its position among the layers of that
class, not from its name; the name is kept as an attribute of `vars`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.backends import get_backend
from tinyconv.registry import snake_case
from tinyconv.saving.atomic import atomic_path

if TYPE_CHECKING:
    from tinyconv.layers.base import Layer
    from tinyconv.layers.variable import Variable
    from tinyconv.models.model import Model

_SUFFIX = ".weights.h5"


def save_weights(model: Model, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write all weights; Keras reads the file too. A crash leaves an old file as it was.

    Raises:
        ValueError: if the name does not end in .weights.h5, or the model is not built.
        FileExistsError: if the file exists and `overwrite` is False.
        ImportError: if h5py is missing.
    """
    h5py, file = _h5py(), _checked(model, path)
    if not overwrite and file.exists():
        raise FileExistsError(f"{file} exists, and overwrite=False")
    with atomic_path(file) as temporary, h5py.File(temporary, "w") as h5:
        h5.create_group("vars").attrs["name"] = model.name
        for group, layer in _groups(model):
            variables = h5.create_group(f"{group}/vars")
            variables.attrs["name"] = layer.name
            for index, weight in enumerate(_own(layer)):
                variables[str(index)] = get_backend().to_numpy(weight.value)


def load_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """Read weights that tinyconv or Keras 3 saved; nothing changes unless all of them fit.

    Raises:
        ValueError: naming file, layer and both shapes, where the file does not fit the model.
        FileNotFoundError: if there is no such file.
        OSError: if it is not an HDF5 file.
        ImportError: if h5py is missing.
    """
    h5py, file = _h5py(), _checked(model, path)
    if not file.is_file():
        raise FileNotFoundError(f"no weights file {file}")
    found: list[tuple[Variable, Any]] = []
    try:
        h5 = h5py.File(file, "r")
    except OSError as error:
        raise OSError(f"{file} is not a readable HDF5 file: {error}") from None
    with h5:
        _check_surplus(h5, model, file)
        for group, layer in _groups(model):
            own = _own(layer)
            variables = h5.get(f"{group}/vars", {})
            if len(variables) != len(own):
                raise ValueError(
                    f"{file}: {layer!r} has {len(own)} weights, {group}/vars holds {len(variables)}"
                )
            for index, weight in enumerate(own):
                dataset = variables.get(str(index))
                # The shape is compared before a value is read: a file cannot ask for memory.
                if not isinstance(dataset, h5py.Dataset) or dataset.shape != weight.shape:
                    raise ValueError(
                        f"{file}: {layer!r}: expected {weight.name} of shape {weight.shape}. "
                        f"Received: {getattr(dataset, 'shape', dataset)}"
                    )
                found.append((weight, np.asarray(dataset, weight.dtype)))
    for weight, values in found:
        weight.assign(values)


def _groups(model: Model, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """Each layer with the group of the file that holds its weights."""
    counts: Counter[str] = Counter()
    for layer in model.layers:
        name = snake_case(type(layer).__name__)
        number = f"_{counts[name]}" if counts[name] else ""
        counts[name] += 1
        group = f"{prefix}layers/{name}{number}"
        yield group, layer
        if _is_model(layer):
            yield from _groups(layer, f"{group}/")  # type: ignore[arg-type]


def _check_surplus(h5: Any, model: Model, file: Path) -> None:
    """Raise ValueError if the file holds weights that the model has no place for."""
    places = {f"{group}/vars" for group, _ in _groups(model)}
    held: set[str] = set()
    h5.visit(held.add)
    # Keras keeps the state of a Dropout's random numbers among the weights.
    surplus = sorted(
        name
        for name in held
        if name.startswith("layers/")
        and name.rpartition("/")[0].endswith("/vars")
        and name.rpartition("/")[0] not in places
        and "seed_generator" not in name
    )
    if surplus:
        raise ValueError(
            f"{file}: {model!r} has no place for {len(surplus)} of its weights: "
            f"{', '.join(surplus[:4])}{', ...' if len(surplus) > 4 else ''}"
        )


def _own(layer: Layer) -> list[Variable]:
    """The weights of a layer itself; those of a nested model belong to its layers."""
    return [] if _is_model(layer) else layer.weights


def _is_model(layer: Layer) -> bool:
    return hasattr(layer, "layers")


def _checked(model: Model, path: str | os.PathLike[str]) -> Path:
    file = Path(path)
    if not file.name.endswith(_SUFFIX):
        raise ValueError(f"the name of a weights file must end in {_SUFFIX}. Received: {file}")
    if not model.built:
        raise ValueError(f"{model!r}: build the model first; it has no weights yet")
    return file


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise ImportError('weights files need h5py: pip install "tinyconv[files]"') from None
    return h5py
