"""A look through an HDF5 file before a value is read from it.

A file is what somebody else wrote. Every object in it is visited: links may not lead to other
places, and what is declared must be in proportion to the size of the file, because a few bytes
can declare an array of a terabyte, unpack to a gigabyte, or name one long string a thousand times.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any

from tinyconv.saving.errors import FileError

_FREE = 64 << 20  # bytes that any file may ask for
_EXPANSION = 10  # times its own size that a file may ask for beyond that
_BYTES_A_VALUE = 8  # counted at least: small integers in a file become floats here
_FREE_PIECES = 1000  # that any array may be cut into
_BYTES_A_PIECE = 16  # at least, in the file's list of them


def check_expansion(file: Path, what: str, asked: int, stored: int) -> None:
    """Raise FileError where `stored` bytes ask for more memory than is believable."""
    if asked > _FREE + _EXPANSION * stored:
        raise FileError(
            f"{file}: {what} asks for {asked:,} bytes of memory, and there are {stored:,} bytes "
            "in the file: refused"
        )


def look_through(file: Path, h5: Any, size: int, longest: int) -> None:
    """Raise FileError for links, for arrays kept elsewhere, and for sizes that can't be true.

    Args:
        file: named in errors.
        h5: the file, or what lies inside it.
        size: bytes of the file on the disk.
        longest: bytes of the longest string in it that has a length of its own.
    """
    import h5py

    groups, seen, asked = [h5], {h5py.h5o.get_info(h5.id).addr}, 0
    while groups:
        group = groups.pop()
        _check_attributes(file, group, size, longest)
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
            # A packed piece is unpacked whole, however small the array.
            values = max(math.prod(member.shape or ()), math.prod(member.chunks or ()))
            asked += values * max(member.dtype.itemsize, _BYTES_A_VALUE)
            check_expansion(file, place, asked, size)
            if member.chunks:
                _check_pieces(file, place, member, size)


def _check_attributes(file: Path, group: Any, size: int, longest: int) -> None:
    for name in group.attrs:
        attribute = group.attrs.get_id(name)
        # A value of its own length is only named here: many may name the same long string.
        value = attribute.dtype.itemsize + (longest if attribute.dtype.hasobject else 0)
        asked = math.prod(attribute.shape or ()) * value
        check_expansion(file, f"attribute {name!r} of {group.name}", asked, size)


def _check_pieces(file: Path, place: str, dataset: Any, size: int) -> None:
    """Raise FileError for too many pieces, unusual packing, and what unpacks to too much.

    The library unpacks a piece to whatever comes out of it.
    """
    from h5py import h5z

    sides = zip(dataset.shape, dataset.chunks, strict=True)
    pieces = math.prod(-(-side // step) for side, step in sides)
    if pieces > _FREE_PIECES + size // _BYTES_A_PIECE:
        raise FileError(f"{file}: {place} is cut into {pieces:,} pieces: refused")
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
    known = {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}
    if not known.issuperset(filters) or len(set(filters)) < len(filters):
        raise FileError(f"{file}: {place} is packed in an unusual way: refused")
    if h5z.FILTER_DEFLATE not in filters:
        return
    bit = 1 << filters.index(h5z.FILTER_DEFLATE)
    most = math.prod(dataset.chunks) * dataset.dtype.itemsize + 4  # and a checksum
    for piece in dataset.iter_chunks():
        corner = tuple(side.start for side in piece)
        stored = dataset.id.get_chunk_info_by_coord(corner)
        if stored.byte_offset is None:
            continue  # never written
        if stored.size > size:
            raise FileError(f"{file}: {place}: a piece is longer than the file: refused")
        packed = dataset.id.read_direct_chunk(corner)[1]
        if stored.filter_mask & bit:
            continue
        if len(zlib.decompressobj().decompress(packed, most + 1)) > most:
            raise FileError(f"{file}: {place}: a piece unpacks to more than it may hold: refused")
