"""Zip archives written by hand, so that they can say what is not so."""

from __future__ import annotations

import dataclasses
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from random import Random

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_BOMB = 300 << 20


@dataclasses.dataclass
class Entry:
    """One member, and what the archive says of it."""

    name: str
    packed: bytes
    method: int = zipfile.ZIP_STORED
    size: int = 0
    checksum: int = 0
    packed_size: int = 0
    flags: int = 0
    attributes: int = 0
    offset: int | None = None  # where it is said to begin


def entry(name: str, content: bytes, deflated: bool = False) -> Entry:
    """An honest one."""
    packed = content
    if deflated:
        packer = zlib.compressobj(1, zlib.DEFLATED, -15)
        packed = packer.compress(content) + packer.flush()
    method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
    return Entry(name, packed, method, len(content), zlib.crc32(content), len(packed))


def entries_of(content: bytes) -> list[tuple[str, bytes]]:
    """(name, content) of each member of a good archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


def archive(entries: Sequence[Entry]) -> bytes:
    """The bytes of an archive of them."""
    body, directory = bytearray(), bytearray()
    for each in entries:
        name = each.name.encode("utf-8", "surrogatepass")
        sizes = (each.checksum, each.packed_size % 2**32, each.size % 2**32)
        offset = len(body) if each.offset is None else each.offset
        body += _LOCAL.pack(
            b"PK\3\4", 20, each.flags, each.method, 0, 0x21, *sizes, len(name), 0
        )  # fmt: skip
        body += name + each.packed
        directory += _CENTRAL.pack(
            b"PK\1\2", 20, 20, each.flags, each.method, 0, 0x21, *sizes, len(name), 0, 0, 0, 0,
            each.attributes, offset % 2**32,
        )  # fmt: skip
        directory += name
    count = len(entries)
    end = _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return bytes(body + directory + end)


@lru_cache(maxsize=1)
def bomb() -> bytes:
    """300 MiB of zeros, deflated."""
    packer, parts = zlib.compressobj(9, zlib.DEFLATED, -15), []
    for _ in range(_BOMB >> 20):
        parts.append(packer.compress(bytes(1 << 20)))
    return b"".join(parts) + packer.flush()


def hostile(rng: Random, members: Sequence[tuple[str, bytes]]) -> tuple[bytes, str]:
    """The archive of these members with a change to its directory, and the change's name."""
    entries = [entry(name, content, rng.random() < 0.5) for name, content in members]
    chosen = rng.choice(entries)
    way = rng.choice(
        (
            "bomb", "lying bomb", "size", "packed size", "method", "flags", "link", "name", "gone",
            "twice", "traversal", "overlap", "checksum", "many", "offset",
        )
    )  # fmt: skip
    number = rng.choice((0, 1, 10, chosen.size + 1, 2 * chosen.size, 2**31, 2**32 - 1))
    if way in ("bomb", "lying bomb"):
        size = _BOMB if way == "bomb" else chosen.size
        packed = bomb()
        said = rng.choice((len(packed), len(packed), 2**32 - 2))
        replacing = Entry(
            chosen.name, packed, zipfile.ZIP_DEFLATED, size, rng.getrandbits(32), said
        )
        entries[entries.index(chosen)] = replacing
    elif way == "size":
        chosen.size = number
    elif way == "packed size":
        chosen.packed_size = number
    elif way == "method":
        chosen.method = rng.choice((0, 1, 6, 8, 9, 12, 14, 93, 99, 65535))
    elif way == "flags":
        chosen.flags = rng.choice((1, 8, 0x20, 0x40, 0x800, 0xFFFF))
    elif way == "link":
        link = entry(chosen.name, b"/etc/passwd")
        link.attributes = 0o120777 << 16
        entries[entries.index(chosen)] = link
    elif way == "name":
        chosen.name = rng.choice(("", "\0", chosen.name.upper(), chosen.name + "\0", "\udc80", "/"))
    elif way == "gone":
        entries.remove(chosen)
    elif way == "twice":
        content = rng.choice((b"", b"{}", chosen.packed[: len(chosen.packed) // 2]))
        entries.insert(rng.randrange(len(entries) + 1), entry(chosen.name, content))
    elif way == "traversal":
        prefix = rng.choice(("../", "/", "..\\", "C:\\", "a/../../"))
        entries.append(entry(f"{prefix}tinyconv-escaped", b"no"))
    elif way == "overlap":
        for each in entries:
            each.offset = 0
    elif way == "checksum":
        chosen.checksum ^= 1 << rng.randrange(32)
    elif way == "offset":
        chosen.offset = number
    else:
        entries += [entry(f"more/{n}", b"") for n in range(rng.choice((1, 100, 2000)))]
    return archive(entries), f"zip {way}"
