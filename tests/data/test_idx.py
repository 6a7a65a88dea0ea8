"""read_idx: whole files, damaged files, and files that mean harm."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.data.web import idx, packed_idx
from tinyconv.data.cache import CorruptFileError
from tinyconv.data.idx import read_idx

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
MD5 = hashlib.md5(idx(IMAGES)).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "images-idx3-ubyte.gz"


@pytest.mark.parametrize("content", [idx(IMAGES), packed_idx(IMAGES)], ids=["plain", "packed"])
def test_reads(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    images = read_idx(path, IMAGES.shape, MD5)
    assert images.dtype == np.uint8
    assert images.flags.writeable
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(read_idx(path, IMAGES.shape), IMAGES)


def wrong_crc() -> bytes:
    content = bytearray(packed_idx(IMAGES))
    content[-8] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html>", "3c 21 44 4f"),
        (idx(IMAGES)[:9], "only 9 bytes"),
        (idx(IMAGES)[:-7], "found 53"),
        (idx(IMAGES) + b"x", "more than that"),
        (gzip.compress(idx(IMAGES)[:-7]), "found 53"),
        (gzip.compress(idx(IMAGES) + b"x"), "more than that"),
        (packed_idx(IMAGES)[:-20], "complete gzip file"),
        (packed_idx(IMAGES)[:12], "complete gzip file"),
        (wrong_crc(), "CRC"),
        (idx(IMAGES[:4]), r"found shape \(4, 4, 3\)"),
        (idx(IMAGES[0]), "found 00 00 08 02"),
        (idx(255 - IMAGES), f"expected content with md5 {MD5}; found content with md5"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damage_is_told_with_the_name_of_the_file(path: Path, content: bytes, found: str) -> None:
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=found) as caught:
        read_idx(path, IMAGES.shape, MD5)
    assert str(path) in str(caught.value)
    assert "Delete it" in str(caught.value)
    assert path.read_bytes() == content


def test_no_file_or_a_folder(path: Path) -> None:
    with pytest.raises(CorruptFileError, match="found nothing"):
        read_idx(path, IMAGES.shape)
    path.mkdir()
    with pytest.raises(CorruptFileError, match="found a folder"):
        read_idx(path, IMAGES.shape)


def test_gzip_bomb_takes_no_memory(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(idx(IMAGES))
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(CorruptFileError, match="more than that"):
            read_idx(path, IMAGES.shape, MD5)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_header_that_claims_too_much_takes_no_memory(path: Path) -> None:
    path.write_bytes(bytes([0, 0, 8, 3]) + b"\xff" * 12)
    with pytest.raises(CorruptFileError, match="4294967295"):
        read_idx(path, IMAGES.shape, MD5)
