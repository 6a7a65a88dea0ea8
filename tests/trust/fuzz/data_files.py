"""Readers of data: IDX, files with checksums, images."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from tests.data.web import idx
from tests.trust.fuzz.damage import damaged
from tests.trust.fuzz.reader import Reader, require
from tinyconv.data.cache import CorruptFileError, verify
from tinyconv.data.idx import read_idx
from tinyconv.data.idx_set import IdxFile, IdxSet, load_idx_set
from tinyconv.utils import img_to_array, load_img

_MIRRORS = ("http://127.0.0.1:9/",)  # nobody is asked: no file is missing


class Idx(Reader):
    """`read_idx`, packed with gzip or not."""

    name, share, allowed = "idx", 3, (CorruptFileError,)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.file = folder / "images-idx3-ubyte.gz"
        rng = np.random.default_rng(0)
        shapes = ((5, 4, 3), (40,), (20, 28, 28))
        self.arrays = [rng.integers(0, 256, shape, "uint8") for shape in shapes]
        self.plain = [idx(array) for array in self.arrays]

    def make(self, rng: Random) -> str:
        number = rng.randrange(len(self.arrays))
        self.array, content = self.arrays[number], self.plain[number]
        self.md5 = hashlib.md5(content).hexdigest() if rng.random() < 0.5 else None
        way = rng.choice(("plain", "packed", "inside", "inside", "bomb"))
        if way == "plain":
            content, how = damaged(rng, content, self.plain)
        elif way == "packed":
            packed = gzip.compress(content, rng.choice((0, 1, 9)))
            content, how = damaged(rng, packed)
        elif way == "inside":
            content, how = damaged(rng, content, self.plain)
            content = gzip.compress(content, 1)
            if rng.random() < 0.2:
                content += gzip.compress(content) if rng.random() < 0.5 else bytes(9)
        else:
            zeros = bytes(rng.choice((1, 1 << 10, 1 << 22)))
            content, how = gzip.compress(content + zeros, 1), "bomb"
        self.file.write_bytes(content)
        return f"{way} {how}"

    def read(self) -> Any:
        return read_idx(self.file, self.array.shape, self.md5)

    def check_accepted(self, result: Any) -> None:
        require(result.dtype == np.uint8 and result.shape == self.array.shape, "another array")
        same = np.array_equal(result, self.array)
        require(same or self.md5 is None, "content with another checksum")


class Checksums(Reader):
    """`verify`, and a set of four files with their checksums: nothing that differs is taken."""

    name, share, allowed = "checksums", 1, (CorruptFileError,)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        rng = np.random.default_rng(2)
        shapes = ((6, 5, 5), (6,), (3, 5, 5), (3,))
        names = ("train-images.gz", "train-labels.gz", "test-images.gz", "test-labels.gz")
        self.arrays = [rng.integers(0, 10, shape, "uint8") for shape in shapes]
        self.contents = [gzip.compress(idx(array)) for array in self.arrays]
        sums = [hashlib.md5(idx(array)).hexdigest() for array in self.arrays]
        files = [IdxFile(*each) for each in zip(names, shapes, sums, strict=True)]
        self.set = IdxSet(*files)
        for name, content in zip(names, self.contents, strict=True):
            (folder / name).write_bytes(content)

    def make(self, rng: Random) -> str:
        number = rng.randrange(4)
        for file, content in zip(self.set, self.contents, strict=True):
            path = self.folder / file.name
            if path.is_symlink():
                path.unlink()
            path.write_bytes(content)
        self.file, self.good = self.folder / self.set[number].name, self.contents[number]
        self.alone = rng.random() < 0.5
        if rng.random() < 0.1:
            self.file.unlink()
            self.file.symlink_to(rng.choice((self.folder, "/dev/zero", "/etc/passwd")))
            return "link"
        content, how = damaged(rng, self.good, self.contents)
        self.file.write_bytes(content)
        return how

    def read(self) -> Any:
        if not self.alone:
            return load_idx_set(self.set, self.folder, _MIRRORS)
        return verify(self.file, f"sha256:{hashlib.sha256(self.good).hexdigest()}")

    def check_accepted(self, result: Any) -> None:
        if self.alone:
            require(self.file.read_bytes() == self.good, "another file has this checksum")
            return
        arrays = [array for pair in result for array in pair]
        same = all(map(np.array_equal, arrays, self.arrays))
        require(same, "content with another checksum")


class ImageFile(Reader):
    """`load_img` and `img_to_array`."""

    name, share, allowed = "image", 4, (OSError,)

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        y, x = np.mgrid[:24, :32]
        pixels = np.stack([8 * x, 10 * y, 255 * ((x // 5 + y // 4) % 2)], axis=-1).astype("uint8")
        scene = Image.fromarray(pixels)
        made = [
            ("jpeg", scene, {}), ("jpeg", scene, {"progressive": True}),
            ("jpeg", scene.convert("CMYK"), {}), ("png", scene, {}),
            ("png", scene.convert("RGBA"), {}), ("png", scene.convert("P"), {}),
            ("png", scene.convert("1"), {}), ("gif", scene.convert("P"), {}), ("bmp", scene, {}),
            ("png", Image.fromarray(pixels[..., 0].astype("uint16")), {}),
            ("tiff", scene, {}), ("tiff", scene, {"compression": "tiff_lzw"}),
            ("tiff", scene, {"compression": "tiff_adobe_deflate"}), ("webp", scene, {}),
            ("webp", scene, {"lossless": True}), ("ppm", scene, {}), ("tga", scene, {}),
            ("ico", scene, {}), ("jpeg2000", scene, {}), ("pcx", scene, {}), ("eps", scene, {}),
            ("mpo", scene, {}), ("avif", scene, {}),
        ]  # fmt: skip
        Image.init()
        self.good = []
        for kind, image, options in made:
            if kind.upper() in Image.SAVE:
                content = io.BytesIO()
                image.save(content, kind, **options)
                self.good.append((kind, content.getvalue()))
        self.others = [content for _, content in self.good]

    def make(self, rng: Random) -> str:
        kind, content = rng.choice(self.good)
        if kind == "png" and rng.random() < 0.7:
            content, how = _changed_png(rng, content)
        else:
            content, how = damaged(rng, content, self.others)
        self.file = self.folder / f"file.{kind}"
        self.file.write_bytes(content)
        self.options: dict[str, Any] = {"color_mode": rng.choice(("rgb", "grayscale", "rgba"))}
        if rng.random() < 0.5:
            self.options["target_size"] = (16, 12)
        return f"{kind} {how}"

    def read(self) -> Any:
        return load_img(self.file, **self.options)

    def check_accepted(self, result: Any) -> None:
        modes = {"rgb": ("RGB",), "rgba": ("RGBA",), "grayscale": ("L", "I;16", "I")}
        require(result.mode in modes[self.options["color_mode"]], f"mode {result.mode}")
        if result.width * result.height < 1 << 22:
            array = img_to_array(result)
            require(array.shape[:2] == (result.height, result.width), f"shape {array.shape}")
            require(bool(np.isfinite(array).all()), "values that are no numbers")


def _changed_png(rng: Random, content: bytes) -> tuple[bytes, str]:
    """Chunks with other contents whose checksums are right."""
    chunks, place = [], 8
    while place + 8 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        data = content[place + 8 : place + 8 + length]
        chunks.append([content[place + 4 : place + 8], data])
        place += length + 12
    way = rng.choice(("size", "header", "damaged", "pixels", "gone", "twice", "new", "order"))
    chosen = rng.choice(chunks)
    if way == "size":
        side = rng.choice((0, 1, 1000, 9_000, 12_000, 20_000, 65_535, 2**31 - 1, 2**32 - 1))
        other = rng.choice((side, 1, 24))
        chunks[0][1] = struct.pack(">2I", *rng.sample((side, other), 2)) + chunks[0][1][8:]
    elif way == "header":
        chunks[0][1] = damaged(rng, chunks[0][1])[0]
    elif way == "damaged":
        chosen[1] = damaged(rng, chosen[1])[0]
    elif way == "pixels":
        for chunk in chunks:
            if chunk[0] == b"IDAT":
                pixels = zlib.decompress(chunk[1]) if chunk[1] else b""
                chunk[1] = zlib.compress(damaged(rng, pixels)[0] if pixels else bytes(1 << 22))
    elif way == "gone":
        chunks.remove(chosen)
    elif way == "twice":
        chunks.insert(rng.randrange(len(chunks)), list(chosen))
    elif way == "new":
        kind = rng.choice((b"zTXt", b"iTXt", b"tEXt", b"iCCP", b"PLTE", b"tRNS", b"acTL", b"gAMA"))
        bomb = zlib.compress(bytes(rng.choice((10, 1 << 24))), 1)
        data = rng.choice((b"", b"k\0\0" + bomb, b"k\0\1\0\0\0" + bomb, bytes(8)))
        chunks.insert(rng.randrange(1, len(chunks) + 1), [kind, data])
    else:
        rng.shuffle(chunks)
    parts = [content[:8]]
    for kind, data in chunks:
        checksum = zlib.crc32(kind + data)
        parts.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum))
    return b"".join(parts), f"chunk {way}"
