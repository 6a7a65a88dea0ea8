"""IDX, the file format of MNIST and its successors.

    two zero bytes | type code (8: unsigned bytes) | number of axes n
    n axis lengths, 32 bits each, most significant byte first
    the elements, the last axis running fastest

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database", file formats.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from tinyconv.data.cache import CHUNK, CorruptFileError

_UNSIGNED_BYTES = 8


def read_idx(path: Path, shape: tuple[int, ...], md5: str | None = None) -> np.ndarray:
    """Read an IDX file of unsigned bytes, packed with gzip or not.

    The caller knows the shape, so a file that claims another one is refused before
    memory is taken for it, and never more than one byte beyond the expected content
    is unpacked.

    Args:
        path: the file.
        shape: the shape that the file must have.
        md5: MD5 of the unpacked file, header included; None skips this check.

    Returns:
        uint8 array of that shape.

    Raises:
        CorruptFileError: if the file is not what was asked for.
        OSError: if it cannot be read at all.
    """
    if not path.is_file():
        found = "a folder" if path.exists() else "nothing"
        raise CorruptFileError(path, "a file", found)
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            return _read(path, raw, shape, md5)
        try:
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return _read(path, unpacked, shape, md5)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise CorruptFileError(path, "a complete gzip file", str(error)) from error


def _read(
    path: Path, file: IO[bytes] | gzip.GzipFile, shape: tuple[int, ...], md5: str | None
) -> np.ndarray:
    magic = bytes([0, 0, _UNSIGNED_BYTES, len(shape)])
    header = file.read(len(magic) + 4 * len(shape))
    if header[:4] != magic:
        raise CorruptFileError(
            path,
            f"an IDX file of unsigned bytes, which begins with {magic.hex(' ')}",
            header[:4].hex(" ") or "an empty file",
        )
    lengths = header[4:]
    if len(lengths) < 4 * len(shape):
        raise CorruptFileError(path, "an IDX header", f"only {len(header)} bytes")
    claimed = struct.unpack(f">{len(shape)}I", lengths)
    if claimed != shape:
        raise CorruptFileError(path, f"shape {shape}", f"shape {claimed}")

    digest = hashlib.md5(header, usedforsecurity=False)
    size = math.prod(shape)
    elements = np.empty(size, np.uint8)
    done = 0
    while done < size and (chunk := file.read(min(CHUNK, size - done))):
        elements[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
        digest.update(chunk)
        done += len(chunk)
    if done < size:
        raise CorruptFileError(path, f"{size:,} bytes after the header", f"{done:,}")
    # Reading on also makes gzip compare the checksum at its end.
    if file.read(1):
        raise CorruptFileError(path, f"{size:,} bytes after the header", "more than that")
    if md5 is not None and digest.hexdigest() != md5:
        raise CorruptFileError(
            path, f"content with md5 {md5}", f"content with md5 {digest.hexdigest()}"
        )
    return elements.reshape(shape)
