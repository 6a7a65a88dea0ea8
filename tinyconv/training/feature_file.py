"""Features kept in a file for later fits.

line 1     "tinyconv frozen features 1"
line 2     JSON: fingerprint of what made them, kinds (dtypes and shapes), number of rows
rows       key (16 bytes), kind (4), CRC-32 of the row (4), the values as they are in memory
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

from tinyconv.saving.atomic import atomic_path
from tinyconv.saving.errors import FileError
from tinyconv.training.feature_store import FeatureStore, Kind

FILE_NAME = "frozen_features.bin"
KEY_BYTES = 16
_FIRST_LINE = b"tinyconv frozen features 1\n"
_PREFIX = struct.Struct(f"<{KEY_BYTES}sII")
_LONGEST_LINE = 1 << 20
_MOST_KINDS = 1000  # shapes of samples; each is compared with those before it
_DTYPES = ("<f4", "<f8", ">f4", ">f8")


def check_file(path: Path) -> None:
    """Raise FileError for a file that is not ours: it would be overwritten."""
    if not path.exists():
        return
    if path.is_file():
        with open(path, "rb") as file:
            ours = file.read(len(_FIRST_LINE)) == _FIRST_LINE
    else:  # a folder, or a pipe that would keep its reader waiting
        ours = False
    if not ours:
        raise FileError(
            f"{path} was not written by this version of tinyconv, so it is left alone. "
            "Give cache_frozen_features another folder, or delete the file"
        )


def read_features(path: Path, fingerprint: str, store: FeatureStore) -> str | None:
    """Fill the store from the file.

    Returns:
        None, or why the file is of no use; the store is then empty.

    Raises:
        OSError: if the disk has no room for what does not go into memory.
    """
    with open(path, "rb") as file:
        try:
            file.readline(len(_FIRST_LINE))
            header = json.loads(file.readline(_LONGEST_LINE))
            if header["fingerprint"] != fingerprint:
                return "it holds the features of other weights or layers"
            if len(header["kinds"]) > _MOST_KINDS:
                raise ValueError(f"features of {len(header['kinds']):,} kinds")
            for kind in header["kinds"]:
                store.number_of(_checked(kind))
            end = os.fstat(file.fileno()).st_size
            for _ in range(header["rows"]):
                key, kind, checksum = _PREFIX.unpack(file.read(_PREFIX.size))
                if store.size_of(kind) > end - file.tell():
                    raise ValueError("it ends too early")
                content = file.read(store.size_of(kind))
                if _checksum(key, kind, content) != checksum:
                    raise ValueError("a row has changed")
                store.add_raw(key, kind, content)
            if file.tell() != end:
                raise ValueError("there is something behind its end")
        except (ValueError, KeyError, IndexError, TypeError, RecursionError, struct.error) as error:
            store.clear()
            return f"it is damaged ({error})"
    return None


def write_features(path: Path, fingerprint: str, store: FeatureStore) -> None:
    """Write all rows: the file is the old one or the whole new one.

    Raises:
        OSError: if it can't be written.
    """
    header = {"fingerprint": fingerprint, "kinds": store.kinds, "rows": len(store)}
    with atomic_path(path) as temporary, open(temporary, "xb") as file:
        file.write(_FIRST_LINE + json.dumps(header).encode() + b"\n")
        for key in store:
            kind, content = store.raw(key)
            file.write(_PREFIX.pack(key, kind, _checksum(key, kind, content)))
            file.write(content)


def _checksum(key: bytes, kind: int, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(key + struct.pack("<I", kind)))


def _checked(kind: Any) -> Kind:
    """What JSON made of a kind, as it was.

    Raises:
        ValueError: for what cannot be the features of a sample.
    """
    made = tuple((dtype, tuple(shape)) for dtype, shape in kind)
    for dtype, shape in made:
        if dtype not in _DTYPES or any(type(n) is not int or n < 0 for n in shape):
            raise ValueError(f"features of {dtype} {shape}")
    return made
