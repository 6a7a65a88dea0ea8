"""Files of weights for the pretrained networks: found or downloaded, checked, read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinyconv import saving
from tinyconv.data.cache import keras_home
from tinyconv.data.download import fetch
from tinyconv.saving import archive, legacy_h5, weights_h5
from tinyconv.saving.errors import FileError
from tinyconv.saving.hdf5 import read_names, reading, text

if TYPE_CHECKING:
    from tinyconv.models.model import Model

IMAGENET = "imagenet"
_SHOWN = 3  # names in an error


class Published(NamedTuple):
    """A file on the web.

    Attributes:
        name: of the file.
        folder: its address without the name.
        md5: its checksum.
    """

    name: str
    folder: str
    md5: str

    def fetch(self) -> Path:
        """Where it lies in Keras' own cache, after downloading it if need be."""
        path = keras_home() / "models" / self.name
        by_hand = f"{self.name} (MD5 {self.md5}) into {path.parent}"
        return fetch([self.folder + self.name], path, f"md5:{self.md5}", by_hand=by_hand)


def find(owner: str, weights: Any, published: Published) -> Path | None:
    """The file that `weights` means; None for random weights.

    Raises:
        ValueError: for something that is neither None, "imagenet" nor a file.
        CorruptFileError, DownloadError: see `tinyconv.data.download.fetch`.
    """
    if weights is None:
        return None
    if weights == IMAGENET:
        return published.fetch()
    file = Path(weights) if isinstance(weights, (str, os.PathLike)) else None
    if file is None or not file.is_file():
        told = f"{weights!r}" if file is None else f"{str(weights)!r}, which is no file"
        raise ValueError(
            f"{owner}: weights must be None, 'imagenet' or the path of a file. Received: {told}"
        )
    return file


def load(owner: str, model: Model, file: Path, top_names: Sequence[str]) -> None:
    """Read weights into a model; nothing changes unless the file is of this very network.

    The layers of a file are told by their names, so that it may hold them in any order.

    Raises:
        ValueError: naming the file, and what it holds instead.
        OSError: if it is not an HDF5 or `.keras` file.
    """
    held, by_name = _layers_in(file)
    places = dict(weights_h5.places(model))
    wanted = {layer.name for layer in places.values() if layer.weights}
    if held is not None:
        _check_names(owner, file, wanted, set(held.values()), set(top_names))
        for place, name in held.items():
            if not by_name and (place not in places or places[place].name != name):
                raise FileError(
                    f"{file}: the layers of {owner} are there in another order: "
                    f"{name!r} is where {places[place].name if place in places else None!r} "
                    "should be"
                )
    saving.load_weights(model, file, by_name=by_name)


def _check_names(owner: str, file: Path, wanted: set[str], held: set[str], top: set[str]) -> None:
    missing, surplus = wanted - held, held - wanted
    if not missing and not surplus:
        return
    if missing <= top and not surplus:
        raise FileError(
            f"{file}: the file holds {owner} without its top ({_some(missing)}). Pass "
            "include_top=False, or a file with the top"
        )
    if surplus <= top and not missing:
        raise FileError(
            f"{file}: the file holds {owner} with its top ({_some(surplus)}). Pass "
            "include_top=True, or a file without the top (a name that ends in _notop)"
        )
    raise FileError(
        f"{file}: the file is not of {owner}, or not all of it. Missing: {_some(missing)}. "
        f"Without a place: {_some(surplus)}"
    )


def _some(names: set[str]) -> str:
    shown = sorted(names)[:_SHOWN]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") if names else "nothing"


def _layers_in(file: Path) -> tuple[dict[str, str] | None, bool]:
    """(name of each layer with weights by its place, whether the file is read by name).

    None in place of the names where the file has none.
    """
    content = archive.weights_in(file) if file.suffix == ".keras" else None
    with reading(file, content) as h5:
        group = legacy_h5.weights_group(h5)
        if group is not None:
            names = [
                name
                for name in read_names(group, "layer_names") or ()
                if name in group and read_names(group[name], "weight_names")
            ]
            return {name: name for name in names}, True
        layers: Any = h5.get("layers", {})
        found = {}
        for place in layers:
            variables = layers[place].get("vars", {})
            if len(variables):
                if "name" not in variables.attrs:
                    return None, False  # written before Keras kept the names
                found[f"layers/{place}"] = text(variables.attrs["name"])
        return found, False
