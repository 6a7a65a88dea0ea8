"""The data set that TensorFlow Datasets reads and hands over: its folder is foreign, too."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.trust.fuzz import values
from tests.trust.fuzz.damage import damaged
from tests.trust.fuzz.reader import Reader, require

_SIZE = (8, 8)


class Tfds(Reader):
    """`cats_vs_dogs.load`, and a pass over what it gives."""

    name, share, named = "tfds", 0.5, False

    def __init__(self, folder: Path) -> None:
        os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_NUM_INTRAOP_THREADS="1")
        import tensorflow as tf

        from tests.tfds_sets import write_cats_vs_dogs
        from tinyconv.data import cats_vs_dogs

        super().__init__(folder)
        self.load = cats_vs_dogs.load
        # What a stream raises at a damaged record is TensorFlow's.
        self.allowed = (ValueError, OSError, tf.errors.OpError)
        write_cats_vs_dogs(folder / "good", 6)
        (self.source,) = (folder / "good" / "cats_vs_dogs").iterdir()
        self.names = sorted(path.name for path in self.source.iterdir())
        self.target = folder / "set" / "cats_vs_dogs" / self.source.name
        self.target.mkdir(parents=True)
        (self.records,) = (name for name in self.names if ".tfrecord" in name)
        self._copy()
        self.check_accepted(self.read())  # what TensorFlow keeps from its first pass stays

    def _copy(self) -> None:
        shutil.rmtree(self.target)
        shutil.copytree(self.source, self.target)

    def make(self, rng: Random) -> str:
        self._copy()
        name = rng.choice([self.records, *self.names])
        self.file = self.target / name
        content = self.file.read_bytes()
        if name == self.records and rng.random() < 0.6:
            content, how = _changed_record(rng, content)
        elif name.endswith(".json") and rng.random() < 0.7:
            tree, how = values.changed(rng, json.loads(content))
            content = values.text_of(rng, tree).encode("utf-8", "surrogatepass")
        elif rng.random() < 0.1:
            self.file.unlink()
            how = rng.choice(("gone", "link"))
            if how == "link":
                self.file.symlink_to("/etc/passwd")
            return f"{name} {how}"
        else:
            content, how = damaged(rng, content)
        self.file.write_bytes(content)
        return f"{name} {how}"

    def read(self) -> Any:
        stream = self.load(image_size=_SIZE, data_dir=self.target.parents[1])
        return [(np.array(image), int(label)) for image, label in stream.as_numpy_iterator()]

    def check_accepted(self, result: Any) -> None:
        for image, _ in result:
            require(image.shape == (*_SIZE, 3) and image.dtype == np.float32, "another image")


def _changed_record(rng: Random, content: bytes) -> tuple[bytes, str]:
    """A TFRecord file with other content whose checksums are right."""
    source, records = io.BytesIO(content), []
    while head := source.read(12):
        (length,) = struct.unpack("<Q", head[:8])
        records.append(source.read(length))
        source.read(4)
    number = rng.randrange(len(records))
    records[number], how = damaged(rng, records[number], records)
    return b"".join(map(_framed, records)), f"record {how}"


def _framed(record: bytes) -> bytes:
    length = struct.pack("<Q", len(record))
    return length + _masked(length) + record + _masked(record)


def _masked(content: bytes) -> bytes:
    """TFRecord's checksum: CRC-32C, turned round by 15 bits, plus a constant."""
    checksum = 0xFFFFFFFF
    for byte in content:
        checksum = _TABLE[(checksum ^ byte) & 0xFF] ^ checksum >> 8
    checksum ^= 0xFFFFFFFF
    turned = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return struct.pack("<I", (turned + 0xA282EAD8) & 0xFFFFFFFF)


def _table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


_TABLE = _table()
