"""The part of an HDF5 file that the HDF5 library reads without looking: the global heaps.

Strings of attributes lie in them. A heap is "GCOL", a version, and objects one behind the
other, each with its length; the library follows these lengths without a check, so that a
length of 0 keeps it busy for ever and a huge one leads anywhere. They are checked here first.

    "GCOL" | 1 | 3 bytes | size: 8 bytes |  objects ...
    object:  number, 2 bytes | 6 bytes | length: 8 bytes | content, filled up to 8 bytes

Number 0 is the space that is left; its length counts its own 16 bytes, too.
Source: HDF5 File Format Specification 3.0, section III.E.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from tinyconv.saving.errors import FileError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP, _HEADER = b"GCOL\x01", 16
_SMALLEST = 4096  # bytes; the library refuses smaller heaps itself
_SPARE = 1000  # objects, of words in a file that only look like a heap


def check(file: Path, content: bytes | None = None) -> int:
    """Raise FileError for a heap whose objects do not fill it, and for sizes other than 8 bytes.

    Args:
        content: of the HDF5 file, where it is not `file` itself.

    Returns:
        Bytes of the longest object in a heap.
    """
    if content is not None:
        return _check(file, content)
    if not file.stat().st_size:
        return 0
    with (
        open(file, "rb") as opened,
        mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        return _check(file, mapped)


def _check(file: Path, content: bytes | mmap.mmap) -> int:
    if content[:8] != _SIGNATURE:
        raise OSError(f"{file} is not a readable HDF5 file: it does not begin like one")
    sizes = content[13:15] if content[8:9] in (b"\0", b"\1") else content[9:11]
    if sizes != b"\x08\x08":
        raise FileError(f"{file}: an HDF5 file with unusual sizes of numbers: refused")
    place, longest = content.find(_HEAP), 0
    # Heaps do not overlap. Ones made to overlap would be gone through again and again.
    left = len(content) // _HEADER + _SPARE
    while place >= 0:
        size = _number(content, place + 8)
        if _SMALLEST <= size <= len(content) - place:
            for length in _lengths(file, content, place, place + size):
                longest, left = max(longest, length), left - 1
                if not left:
                    raise FileError(f"{file}: damaged: the strings in it overlap")
        place = content.find(_HEAP, place + 1)
    return longest


def _lengths(file: Path, content: bytes | mmap.mmap, start: int, end: int) -> Iterator[int]:
    """Of the objects in a heap, each with its header inside it."""
    at = start + _HEADER
    while at + _HEADER <= end:
        length = _number(content, at + 8)
        free = content[at : at + 2] == b"\0\0"
        at += length if free else _HEADER + (length + 7) // 8 * 8
        if at > end or (free and length < _HEADER):
            raise FileError(f"{file}: damaged: the strings in it have impossible lengths")
        yield 0 if free else length


def _number(content: bytes | mmap.mmap, place: int) -> int:
    return int.from_bytes(content[place : place + 8], "little")
