"""HDF5 files: made in memory, and looked through before a value is read from one.

A file is what somebody else wrote. Before anything is read from it, every object in it is
visited: links may not lead to other files, and the declared sizes must be in proportion to
the size of the file, because a few bytes can declare an array of a terabyte.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tinyconv.saving import heaps
from tinyconv.saving.errors import FileError, naming

_FREE = 64 << 20  # bytes that any file may ask for
_EXPANSION = 10  # times its own size that a file may ask for beyond that
_NAMES_AN_ATTRIBUTE = 1000  # an attribute holds 64 KiB; Keras splits longer lists too


def h5py_module() -> Any:
    """h5py, or an ImportError that says how to get it."""
    try:
        import h5py
    except ImportError:
        raise ImportError('these files need h5py: pip install "tinyconv[files]"') from None
    return h5py


def check_expansion(file: Path, what: str, asked: int, stored: int) -> None:
    """Raise FileError where `stored` bytes ask for more memory than is believable."""
    if asked > _FREE + _EXPANSION * stored:
        raise FileError(
            f"{file}: {what} asks for {asked:,} bytes of memory, and there are {stored:,} bytes "
            "in the file: refused"
        )


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
    heaps.check(file, content)
    try:
        h5 = h5py.File(file if content is None else io.BytesIO(content), "r")
    except Exception as error:  # HDF5 fails in many ways on bytes that are none
        raise OSError(f"{file} is not a readable HDF5 file: {error}") from None
    with naming(file):
        try:
            _look_through(file, h5, file.stat().st_size if content is None else len(content))
            yield h5
        finally:
            h5.close()


def _look_through(file: Path, h5: Any, size: int) -> None:
    """Raise FileError for links, for arrays kept elsewhere, and for sizes that can't be true."""
    h5py = h5py_module()
    groups, seen, asked = [h5], {h5py.h5o.get_info(h5.id).addr}, 0
    while groups:
        group = groups.pop()
        _check_attributes(file, group, size)
        for name in group:
            place = f"{group.name.rstrip('/')}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise FileError(f"{file}: {place} is a link to another place: refused")
            member = group[name]
            address = h5py.h5o.get_info(member.id).addr
            if address in seen:
                raise FileError(f"{file}: {place} is a second name of another object: refused")
            seen.add(address)
            if isinstance(member, h5py.Group):
                groups.append(member)
                continue
            if not isinstance(member, h5py.Dataset) or member.dtype.kind not in "fiub":
                raise FileError(f"{file}: {place} is not an array of numbers: refused")
            if member.external or member.is_virtual:
                raise FileError(f"{file}: {place} keeps its values in another file: refused")
            # A compressed chunk is unpacked whole, however small the array.
            values = max(math.prod(member.shape or ()), math.prod(member.chunks or ()))
            asked += values * member.dtype.itemsize
            check_expansion(file, place, asked, size)


def _check_attributes(file: Path, group: Any, size: int) -> None:
    for name in group.attrs:
        attribute = group.attrs.get_id(name)
        asked = math.prod(attribute.shape) * attribute.dtype.itemsize
        check_expansion(file, f"attribute {name!r} of {group.name}", asked, size)


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
