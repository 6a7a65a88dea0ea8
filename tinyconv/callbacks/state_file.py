"""A tree of plain values and arrays in one file: what a backup is made of.

The file is NumPy's .npz. The entry "state" is JSON text, in which {"<array>": 3} stands for
the entry "3"; a key that begins with "<" has another one before it. Nothing in it is ever
executed.
"""

from __future__ import annotations

import json
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.saving.errors import FileError

_ARRAY, _STATE = "<array>", "state"


def write_state(path: Path, tree: dict[str, Any]) -> None:
    """Write dicts with string keys, lists, numbers, strings, None and NumPy arrays.

    Raises:
        TypeError: for anything else, saying where it is.
    """
    arrays: list[Array] = []
    text = json.dumps(_plain(tree, "state", arrays))
    entries = {str(number): array for number, array in enumerate(arrays)}
    entries[_STATE] = np.frombuffer(text.encode(), "uint8")
    with open(path, "xb") as file:
        np.savez(file, allow_pickle=False, **entries)


def check_plain(tree: Any, where: str) -> None:
    """Raise TypeError, saying where, for what `write_state` does not write."""
    _plain(tree, where, [])


def read_state(path: Path) -> dict[str, Any]:
    """The tree again, its tuples as lists.

    Raises:
        FileError: naming the file, if it is damaged or was not written by `write_state`.
        FileNotFoundError: if there is no such file.
    """
    size = os.stat(path).st_size
    if not path.is_file():  # a pipe would keep its reader waiting
        raise FileError(f"{path} is no file")
    try:
        with zipfile.ZipFile(path) as entries:
            # Nothing is packed in such a file, so no entry can be larger than the file is.
            asked = sum(entry.file_size for entry in entries.infolist())
            if asked > size:
                raise ValueError(f"its entries ask for {asked:,} bytes, it has {size:,}")
            damaged = entries.testzip()
            if damaged is not None:
                raise ValueError(f"the entry {damaged!r} is damaged")
            for entry in entries.infolist():
                _check_size(entries, entry)
        with np.load(path, allow_pickle=False) as arrays:
            return _filled(json.loads(arrays[_STATE].tobytes()), arrays, set())
    except Exception as error:  # a damaged file can fail in any of a dozen ways
        reason = f"it has no entry {error}" if isinstance(error, KeyError) else error
        raise FileError(f"{path} is damaged, or no backup of tinyconv: {reason}") from error


def _check_size(entries: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Raise ValueError unless the array is as long as its header says: memory is taken by it."""
    with entries.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0
        }.get(version)  # fmt: skip
        if read is None:
            raise ValueError(f"the entry {entry.filename!r} is of a version that is not known")
        shape, _, dtype = read(file)
        if math.prod(shape) * dtype.itemsize != entry.file_size - file.tell():
            raise ValueError(f"the entry {entry.filename!r} has not the size of {dtype} {shape}")


def _plain(value: Any, where: str, arrays: list[Array]) -> Any:
    """The value as JSON can hold it; arrays go to the list."""
    if isinstance(value, dict):
        wrong = [key for key in value if not isinstance(key, str)]
        if wrong:
            raise TypeError(f"{where}: keys must be strings. Received: {wrong[0]!r}")
        return {
            f"<{key}" if key.startswith("<") else key: _plain(each, f"{where}[{key!r}]", arrays)
            for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_plain(each, f"{where}[{number}]", arrays) for number, each in enumerate(value)]
    if isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, float):
        if value.dtype.hasobject:
            raise TypeError(f"{where}: an array of Python objects cannot be kept")
        arrays.append(np.asarray(value))
        return {_ARRAY: len(arrays) - 1, "scalar": isinstance(value, np.generic)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{where}: expected numbers, strings, lists, dicts or NumPy arrays. "
        f"Received: {type(value).__name__}"
    )


def _filled(value: Any, entries: Any, used: set[str]) -> Any:
    """The value with its arrays again, each in one place: one named everywhere fills the memory."""
    if isinstance(value, list):
        return [_filled(each, entries, used) for each in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        name = str(value[_ARRAY])
        if name in used:
            raise ValueError(f"the entry {name!r} is named twice")
        used.add(name)
        array = entries[name]
        return array[()] if value["scalar"] else array
    return {
        key[1:] if key.startswith("<") else key: _filled(each, entries, used)
        for key, each in value.items()
    }
