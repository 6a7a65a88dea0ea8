"""`save`, `load_model`, `save_weights`, `load_weights`: which file is which, and how it is used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyconv.saving import archive, legacy_h5, optimizer_state, weights_h5, whole_h5
from tinyconv.saving.atomic import write_bytes
from tinyconv.saving.errors import FileError, told_of_url
from tinyconv.saving.hdf5 import made, reading
from tinyconv.saving.matching import Matches

if TYPE_CHECKING:
    from tinyconv.models.model import Model

_WEIGHTS = ".weights.h5"
_HDF5 = (".h5", ".hdf5")
_KERAS = ".keras"

PathLike = str | os.PathLike[str]


def save_model(
    model: Model, path: PathLike, overwrite: bool = True, include_optimizer: bool = True
) -> None:
    """Write configuration, weights, compile settings and the optimizer's state.

    Keras 3 opens the file. A crash or a full disk leaves an old file as it was.

    Args:
        model: built; layers of your own are written by name.
        path: ends in `.keras`, or in `.h5` or `.hdf5` for Keras' older format.
        overwrite: whether an old file may be replaced.
        include_optimizer: whether compile settings and the optimizer's state are written.

    Raises:
        ValueError: for another ending, a model that is not built, or one that Keras' files
            can't hold.
        FileExistsError: if the file exists and `overwrite` is False.
        OSError: naming the file, if it can't be written.
        ImportError: if h5py is missing.
    """
    file = Path(path)
    if file.name.endswith(_WEIGHTS) or not file.name.endswith((_KERAS, *_HDF5)):
        raise ValueError(f"the name of a model's file must end in .keras or .h5. Received: {file}")
    _check(model, file, overwrite)
    pack = archive.pack if file.name.endswith(_KERAS) else whole_h5.pack
    write_bytes(file, pack(model, include_optimizer))


def load_model(
    path: PathLike, custom_objects: Mapping[str, Any] | None = None, compile: bool = True
) -> Model:
    """The model in a `.keras` or `.h5` file that tinyconv or Keras saved.

    Nothing in the file is executed.

    Args:
        path: of the file.
        custom_objects: layer classes of your own by the names in the file.
        compile: whether to compile the model as it was, and give the optimizer its state.

    Raises:
        ValueError: naming the file, and the layer, for what is damaged or not supported.
        FileNotFoundError: if there is no such file.
        OSError: if it is not of the format of its name.
        ImportError: if h5py is missing.
    """
    _refuse_url("load_model", path)
    file = Path(path)
    if not file.name.endswith((_KERAS, *_HDF5)):
        raise ValueError(f"the name of a model's file must end in .keras or .h5. Received: {file}")
    _check_is_file(file, "no file")
    unpack = archive.unpack if file.name.endswith(_KERAS) else whole_h5.unpack
    return unpack(file, custom_objects, compile)


def save_weights(model: Model, path: PathLike, overwrite: bool = True) -> None:
    """Write all weights, and the optimizer's state, to a `.weights.h5` file; Keras reads it too.

    A crash or a full disk leaves an old file as it was.

    Raises:
        ValueError: if the name does not end in .weights.h5, or the model is not built.
        FileExistsError: if the file exists and `overwrite` is False.
        OSError: naming the file, if it can't be written.
        ImportError: if h5py is missing.
    """
    file = Path(path)
    if not file.name.endswith(_WEIGHTS):
        raise ValueError(f"the name of a weights file must end in {_WEIGHTS}. Received: {file}")
    _check(model, file, overwrite)
    write_bytes(file, made(lambda h5: weights_h5.write(h5, model)))


def load_weights(
    model: Model, path: PathLike, by_name: bool = False, skip_mismatch: bool = False
) -> None:
    """Read weights that tinyconv or Keras saved; nothing changes unless all of them fit.

    Args:
        model: built; if it is compiled, its optimizer gets the state in a `.weights.h5` file.
        path: `.weights.h5`, `.keras`, or `.h5` of Keras' older format, with or without a model.
        by_name: take the layers of the same names, and leave the others (a warning tells if there
            are none); `.h5` of the older format only.
        skip_mismatch: warn and leave a layer (in the older format a weight) that does not fit.

    Raises:
        ValueError: naming file, layer and both shapes, where the file does not fit the model.
        FileNotFoundError: if there is no such file.
        OSError: if it is not an HDF5 (or `.keras`) file.
        ImportError: if h5py is missing.
    """
    _refuse_url("load_weights", path)
    file = Path(path)
    if not file.name.endswith((_KERAS, *_HDF5)):
        raise ValueError(
            f"the name of a weights file must end in .weights.h5, .h5 or .keras. Received: {file}"
        )
    _require_built(model)
    _check_is_file(file, "no weights file")
    content = archive.weights_in(file) if file.name.endswith(_KERAS) else None
    with reading(file, content) as h5:
        matches = Matches(file, skip_mismatch)
        group = legacy_h5.weights_group(h5)
        if group is not None:
            legacy_h5.match(group, model, matches, by_name)
            matches.assign()
            return
        if by_name:
            raise FileError(f"{file}: by_name=True reads only Keras' older .h5 format")
        weights_h5.match(h5, model, matches)
        state = weights_h5.optimizer_values(h5) if model.compiled else []
        restore = optimizer_state.prepare(file, model, (), state) if state else None
        matches.assign()
        if restore is not None:
            restore()


def _check(model: Model, file: Path, overwrite: bool) -> None:
    _require_built(model)
    if not overwrite and file.exists():
        raise FileExistsError(f"{file} exists, and overwrite=False")


def _refuse_url(who: str, path: PathLike) -> None:
    if told := told_of_url(path):
        raise ValueError(f"{who}: {told}. Received: {path}")


def _check_is_file(file: Path, missing: str) -> None:
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder, not a file")
    if not file.is_file():
        raise FileNotFoundError(f"{missing} {file}")


def _require_built(model: Model) -> None:
    if not model.built:
        raise ValueError(f"{model!r}: build the model first; it has no weights yet")
