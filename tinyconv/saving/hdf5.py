"""HDF5 files: made in memory, and looked through before a value is read from one."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tinyconv.saving import heaps
from tinyconv.saving.errors import naming
from tinyconv.saving.inspection import look_through

_NAMES_AN_ATTRIBUTE = 1000  # an attribute holds 64 KiB; Keras splits longer lists too


def h5py_module() -> Any:
    """h5py, or an ImportError that says how to get it."""
    try:
        import h5py
    except ImportError:
        raise ImportError('these files need h5py: pip install "tinyconv[files]"') from None
    return h5py


def made(fill: Callable[[Any], None]) -> memoryview:
    """The bytes of a new HDF5 file that `fill(file)` has filled.

    Made in memory: the HDF5 library does not recover from a disk that is full.
    """
    content = io.BytesIO()
    with h5py_module().File(content, "w") as h5:
        fill(h5)
    return content.getbuffer()


@contextlib.contextmanager
def reading(file: Path, content: bytes | None = None) -> Iterator[Any]:
    """An HDF5 file that was looked through, of this name, or of these bytes inside that file.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError: if it is not an HDF5 file.
        FileError: naming the file, for whatever goes wrong with its content.
    """
    h5py = h5py_module()
    if content is None and not file.is_file():
        raise FileNotFoundError(f"no file {file}")
    longest = heaps.check(file, content)
    try:
        h5 = h5py.File(file if content is None else io.BytesIO(content), "r")
    except Exception as error:  # HDF5 fails in many ways on bytes that are none
        raise OSError(f"{file} is not a readable HDF5 file: {error}") from None
    with naming(file):
        try:
            look_through(file, h5, file.stat().st_size, longest)
            yield h5
        finally:
            h5.close()


def write_names(group: Any, attribute: str, names: Sequence[str]) -> None:
    """A list of names as an attribute, or as several numbered ones."""
    encoded = [name.encode() for name in names]
    if len(names) <= _NAMES_AN_ATTRIBUTE:
        group.attrs[attribute] = encoded
        return
    for number, start in enumerate(range(0, len(names), _NAMES_AN_ATTRIBUTE)):
        group.attrs[f"{attribute}{number}"] = encoded[start : start + _NAMES_AN_ATTRIBUTE]


def read_names(group: Any, attribute: str) -> list[str] | None:
    """The list of names, or None where there is none."""
    if attribute in group.attrs:
        return [text(name) for name in group.attrs[attribute]]
    names: list[str] = []
    number = 0
    while f"{attribute}{number}" in group.attrs:
        names += [text(name) for name in group.attrs[f"{attribute}{number}"]]
        number += 1
    return names if number else None


def text(value: Any) -> str:
    """A string attribute, which old files hold as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
