"""Files of weights for the pretrained networks: found or downloaded, checked, read."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tinyconv import saving
from tinyconv.data.cache import keras_home
from tinyconv.data.download import fetch
from tinyconv.saving import archive, legacy_h5, weights_h5
from tinyconv.saving.errors import FileError, some, told_of_url
from tinyconv.saving.hdf5 import read_names, reading, text

if TYPE_CHECKING:
    from tinyconv.models.model import Model

IMAGENET = "imagenet"


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

    @property
    def path(self) -> Path:
        """Its place in Keras' own cache, whether it is there or not."""
        return keras_home() / "models" / self.name

    def fetch(self) -> Path:
        """Where it lies in Keras' own cache, after downloading it if need be."""
        by_hand = f"{self.name} (MD5 {self.md5}) into {self.path.parent}"
        return fetch([self.folder + self.name], self.path, f"md5:{self.md5}", by_hand=by_hand)


def find(owner: str, weights: Any, published: Published) -> Path | None:
    """The file that `weights` means; None for random weights.

    Raises:
        ValueError: for something that is neither None, "imagenet" nor a file.
        CorruptFileError, DownloadError: see `tinyconv.data.download.fetch`.
    """
    if weights is None:
        return None
    if is_imagenet(weights):
        return published.fetch()
    file = Path(weights) if isinstance(weights, (str, os.PathLike)) else None
    if file is None or not file.is_file():
        told = reprlib.repr(weights)
        if file is not None:
            told = f"{str(weights)!r}, which is {'a folder' if file.is_dir() else 'no file'}"
            if url := told_of_url(weights):
                told = f"{str(weights)!r}: {url}"
        raise ValueError(
            f"{owner}: weights must be None, 'imagenet' or the path of a file. Received: {told}"
        )
    return file


def is_imagenet(weights: Any) -> bool:
    """Whether the argument asks for the published file."""
    return isinstance(weights, str) and weights == IMAGENET


def load(owner: str, model: Model, file: Path, top_names: Sequence[str]) -> None:
    """Read a file of the reader's own; nothing changes unless it is of this very network.

    The layers below the top are told by their names. Those of the top may have others, as
    they had in older versions of Keras: then the order decides.

    Raises:
        ValueError: naming the file, and what it holds instead.
        OSError: if it is not an HDF5 or `.keras` file.
    """
    places = {place: each.name for place, each in weights_h5.places(model) if each.weights}
    wanted, top = list(places.values()), set(top_names)
    held, legacy = _layers_in(file, list(places))
    by_name = legacy and set(held) == set(wanted)
    if held:
        _check_names(owner, file, wanted, held, top)
    for expected, found in zip(wanted, held, strict=False):
        if not by_name and expected != found and expected not in top:
            raise FileError(
                f"{file}: the layers of {owner} are there in another order: {found!r} is where "
                f"{expected!r} should be"
            )
    saving.load_weights(model, file, by_name=by_name)


def _check_names(
    owner: str, file: Path, wanted: Sequence[str], held: Sequence[str], top: set[str]
) -> None:
    if set(held) == set(wanted):
        return
    body = set(wanted) - top
    missing, surplus = body - set(held), set(held) - body
    heads = len(set(wanted) & top)
    # A top comes last. VGG19 has all the layers of VGG16, and others among them.
    whole = not missing and surplus == set(held[len(held) - len(surplus) :])
    if whole and len(surplus) == heads:
        return
    if whole and not surplus:
        raise FileError(
            f"{file}: the file holds {owner} without its top ({some(top)}). Pass "
            "include_top=False, or a file with the top"
        )
    if whole and not heads:
        raise FileError(
            f"{file}: the file holds {owner} with its top ({some(surplus)}). Pass "
            "include_top=True, or a file without the top (a name that ends in _notop)"
        )
    lists = {
        "Missing": set(wanted) - set(held),
        "Without a place": set(held) - set(wanted),
    }
    told = ". ".join(f"{title}: {some(names)}" for title, names in lists.items() if names)
    raise FileError(f"{file}: the file is not of {owner}, or not all of it. {told}")


def _layers_in(file: Path, places: Sequence[str]) -> tuple[list[str], bool]:
    """Names of the layers with weights, as they meet those of the model, and if it is legacy.

    Args:
        places: of the model's layers in a `.weights.h5` file.

    Returns:
        No names where the file has none: Keras did not always keep them.
    """
    content = archive.weights_in(file) if file.suffix == ".keras" else None
    with reading(file, content) as h5:
        group = legacy_h5.weights_group(h5)
        if group is not None:
            names = read_names(group, "layer_names") or []
            filled = [n for n in names if n in group and read_names(group[n], "weight_names")]
            return filled, True
        members: Any = h5.get("layers", {})
        found = {}
        for place in members:
            variables = members[place].get("vars", {})
            if len(variables):
                found[f"layers/{place}"] = variables.attrs.get("name")
        if None in found.values():
            return [], False
        order = [*(p for p in places if p in found), *(p for p in found if p not in places)]
        return [text(found[place]) for place in order], False
