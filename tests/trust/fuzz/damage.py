"""Damage to bytes that knows nothing of what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

# Lengths, counts and offsets that readers stumble over.
_NUMBERS = (
    0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 10**6, 2**31 - 1,
    2**31, 2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1,
)  # fmt: skip


def damaged(rng: Random, content: bytes, others: Sequence[bytes] = ()) -> tuple[bytes, str]:
    """The content after one to four kinds of damage, and their names.

    Args:
        others: good files of the same kind, to take pieces from.
    """
    names = []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        change = rng.choice(_CHANGES)
        if not content:
            break
        source = rng.choice(others) if others and rng.random() < 0.3 else content
        content = change(rng, content, source)
        names.append(change.__name__.strip("_"))
    return content, "+".join(names)


def _place(rng: Random, content: bytes) -> int:
    """A place in it, half of them near an end, where the structure of most formats is."""
    length = len(content)
    near = min(length, rng.choice((64, 512, 4096)))
    return rng.choice(
        (rng.randrange(length), rng.randrange(near), length - 1 - rng.randrange(near))
    )


def _length(rng: Random, content: bytes) -> int:
    return rng.randrange(1, rng.choice((2, 8, 64, 1024, len(content) + 1)) + 1)


def _cut(rng: Random, content: bytes, source: bytes) -> bytes:
    return content[: _place(rng, content)]


def _beheaded(rng: Random, content: bytes, source: bytes) -> bytes:
    return content[_length(rng, content) :]


def _flipped(rng: Random, content: bytes, source: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 32))):
        changed[_place(rng, content)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwritten(rng: Random, content: bytes, source: bytes) -> bytes:
    """A piece of itself or of another file over a part of it."""
    start, taken, length = _place(rng, content), rng.randrange(len(source)), _length(rng, content)
    piece = source[taken : taken + length]
    return content[:start] + piece + content[start + len(piece) :]


def _inserted(rng: Random, content: bytes, source: bytes) -> bytes:
    start, taken = _place(rng, content), rng.randrange(len(source))
    return content[:start] + source[taken : taken + _length(rng, source)] + content[start:]


def _removed(rng: Random, content: bytes, source: bytes) -> bytes:
    start = _place(rng, content)
    return content[:start] + content[start + _length(rng, content) :]


def _filled(rng: Random, content: bytes, source: bytes) -> bytes:
    """A run of one byte."""
    start = _place(rng, content)
    run = bytes([rng.choice((0, 0, 0xFF, 0x20, rng.randrange(256)))]) * _length(rng, content)
    return content[:start] + run[: len(content) - start] + content[start + len(run) :]


def _renumbered(rng: Random, content: bytes, source: bytes) -> bytes:
    """A number of 1 to 8 bytes in place of what is there, or a little more or less than that."""
    width = rng.choice((1, 2, 4, 4, 8, 8))
    order = "big" if rng.random() < 0.3 else "little"
    start = _place(rng, content)
    start -= start % width if rng.random() < 0.8 else 0
    number = int.from_bytes(content[start : start + width], order)  # type: ignore[arg-type]
    near = (number + 1, number - 1, number + 8, number - 8, number * 2, number // 2, -number)
    number = rng.choice((rng.choice(_NUMBERS), rng.choice(near)))
    piece = (number % (1 << 8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
    return content[:start] + piece + content[start + width :]


def _joined(rng: Random, content: bytes, source: bytes) -> bytes:
    """The beginning of one and the end of the other."""
    place = rng.randrange(min(len(content), len(source)) + 1)
    return content[:place] + source[place:]


_Change = Callable[[Random, bytes, bytes], bytes]
_CHANGES: tuple[_Change, ...] = (
    _cut, _beheaded, _flipped, _flipped, _flipped, _overwritten, _overwritten, _inserted,
    _removed, _filled, _renumbered, _renumbered, _renumbered, _joined,
)  # fmt: skip
