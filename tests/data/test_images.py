"""Image files and arrays: as Keras reads and writes them, and what damaged files do."""

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import tinyconv
from tinyconv.preprocessing import image
from tinyconv.utils import array_to_img, img_to_array, load_img, save_img

INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"]
MODES = ["rgb", "grayscale", "rgba"]


def scene(height=45, width=60, mode="RGB"):
    """A picture with slopes and edges, so that no two ways to resample it agree."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([4 * x, 5 * y, 255 * ((x // 7 + y // 5) % 2), 255 - x - y], axis=-1)
    opaque = Image.fromarray((pixels[..., :3] % 256).astype("uint8"))
    if mode == "RGBA":
        opaque.putalpha(Image.fromarray((pixels[..., 3] % 256).astype("uint8")))
    return opaque.convert(mode)


@pytest.fixture
def folder(tmp_path):
    """The scene in the formats that people have."""
    scene().save(tmp_path / "photo.jpg", quality=90)
    scene().save(tmp_path / "progressive.jpg", progressive=True)
    scene(mode="L").save(tmp_path / "gray.jpg")
    scene(mode="CMYK").save(tmp_path / "print.jpg")
    scene(mode="RGBA").save(tmp_path / "transparent.png")
    scene(mode="P").save(tmp_path / "palette.png")
    scene(mode="1").save(tmp_path / "bits.png")
    scene().save(tmp_path / "photo.bmp")
    scene(mode="P").save(tmp_path / "photo.gif")
    wide = np.arange(45 * 60, dtype="uint16").reshape(45, 60) * 20
    Image.fromarray(wide).save(tmp_path / "deep.png")
    return tmp_path


def test_names_are_where_keras_programs_look():
    for name in ("load_img", "img_to_array", "array_to_img", "save_img"):
        assert getattr(image, name) is getattr(tinyconv.utils, name)
    assert tinyconv.preprocessing.image is image
    assert callable(tinyconv.image.resize)


@pytest.mark.parametrize("color_mode", MODES)
def test_every_format_reads_as_in_keras(folder, color_mode):
    files = sorted(folder.iterdir())
    assert len(files) == 10
    for file in files:
        ours, theirs = (
            read(file, color_mode=color_mode) for read in (load_img, keras.utils.load_img)
        )
        assert ours.mode == theirs.mode
        np.testing.assert_array_equal(img_to_array(ours), keras.utils.img_to_array(theirs))


@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    interpolation=st.sampled_from(INTERPOLATIONS),
    keep=st.booleans(),
)
def test_target_size_is_keras_own(tmp_path_factory, size, interpolation, keep):
    file = tmp_path_factory.getbasetemp() / "scene.png"
    if not file.exists():
        scene().save(file)
    arguments = {
        "target_size": size, "interpolation": interpolation, "keep_aspect_ratio": keep
    }  # fmt: skip
    ours, theirs = (read(file, **arguments) for read in (load_img, keras.utils.load_img))
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    assert img_to_array(ours).shape == (*size, 3)


def test_kinds_of_path(folder):
    path = folder / "photo.jpg"
    images = [
        load_img(p) for p in (path, str(path), str(path).encode(), io.BytesIO(path.read_bytes()))
    ]
    assert all(np.array_equal(np.asarray(img), np.asarray(images[0])) for img in images)
    with pytest.raises(TypeError, match=r"path must be a path or a BytesIO\. Received: int"):
        load_img(7)


def test_extreme_proportions_can_be_kept(tmp_path):
    scene(2, 60).save(tmp_path / "ribbon.png")
    kept = load_img(tmp_path / "ribbon.png", target_size=(90, 3), keep_aspect_ratio=True)
    assert kept.size == (3, 90)


@pytest.mark.parametrize("data_format", [None, "channels_last", "channels_first"])
@pytest.mark.parametrize("dtype", [None, "float64", "uint8"])
def test_img_to_array_is_keras_own(data_format, dtype):
    for mode in ("RGB", "L", "RGBA"):
        ours = img_to_array(scene(mode=mode), data_format, dtype)
        theirs = keras.utils.img_to_array(scene(mode=mode), data_format, dtype)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@given(
    seed=st.integers(0, 99),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4])),
    low=st.sampled_from([0, -3, 20]),
    width=st.sampled_from([0, 1, 100, 200]),
    scale=st.booleans(),
    first=st.booleans(),
)
def test_array_to_img_is_keras_own(seed, shape, low, width, scale, first):
    pixels = low + width * np.random.default_rng(seed).random(shape, "float32")
    if not scale:
        pixels = np.abs(pixels)
    if first:
        pixels = pixels.transpose(2, 0, 1)
    data_format = "channels_first" if first else None
    ours = array_to_img(pixels, data_format, scale)
    theirs = keras.utils.array_to_img(pixels, data_format, scale)
    assert ours.mode == theirs.mode
    np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))


def test_grey_values_beyond_a_byte_stay():
    pixels = np.array([[[0.0], [70000.0]]])
    assert np.asarray(array_to_img(pixels, scale=False)).tolist() == [[0, 70000]]


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.JPEG", "x.bmp"])
def test_save_img_writes_what_keras_writes(tmp_path, name):
    pixels = img_to_array(scene())
    for module, folder in ((tinyconv.utils, "ours"), (keras.utils, "theirs")):
        (tmp_path / folder).mkdir()
        module.save_img(tmp_path / folder / name, pixels, scale=False)
    assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()


def test_save_img_into_an_open_file_and_with_pillows_options():
    coarse, fine = io.BytesIO(), io.BytesIO()
    save_img(coarse, img_to_array(scene()), file_format="jpg", quality=10)
    save_img(fine, img_to_array(scene()), file_format="jpeg", quality=95)
    assert len(coarse.getvalue()) < len(fine.getvalue())
    assert load_img(coarse).size == (60, 45)


def test_save_img_tells_that_jpeg_has_no_transparency(tmp_path):
    with pytest.warns(UserWarning, match="JPEG has no transparency"):
        save_img(tmp_path / "x.jpg", img_to_array(scene(mode="RGBA")))
    assert Image.open(tmp_path / "x.jpg").mode == "RGB"


def test_round_trip_loses_nothing(tmp_path):
    pixels = img_to_array(scene())
    save_img(tmp_path / "x.png", pixels, scale=False)
    np.testing.assert_array_equal(img_to_array(load_img(tmp_path / "x.png")), pixels)


# ---- what is no image -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"photo\.jpg is empty \(0 bytes\)"),
        (b"not an image", r"photo\.jpg is not an image in a format that is read .* \(12 bytes\)"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), r"photo\.jpg is"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, message):
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(OSError, match=message):
        load_img(tmp_path / "photo.jpg")


@pytest.mark.parametrize("name", ["photo.jpg", "transparent.png", "photo.gif", "photo.bmp"])
def test_half_a_file_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(OSError, match=rf"{name} is"):
        load_img(folder / name)


@given(data=st.data(), format_=st.sampled_from(["jpeg", "png", "gif", "bmp", "tiff", "webp"]))
def test_damage_gives_an_image_or_an_error_with_the_name(tmp_path_factory, data, format_):
    file = io.BytesIO()
    scene().save(file, format=format_)
    content = bytearray(file.getvalue())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    damaged = tmp_path_factory.getbasetemp() / f"damaged.{format_}"
    damaged.write_bytes(content)
    told = ""
    try:
        told = load_img(damaged).mode
    except OSError as error:
        told = str(error)
    assert told == "RGB" or damaged.name in told


def test_an_image_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    scene().save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(OSError, match=r"bomb\.png is a damaged image: .*decompression bomb"):
        load_img(tmp_path / "bomb.png")


def test_the_pixels_are_counted_before_they_are_read(tmp_path, monkeypatch):
    """12,000 x 12,000 pixels in four bytes each, and once more in the mode asked for."""
    header = struct.pack(">2I5B", 12_000, 12_000, 8, 6, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        parts += [struct.pack(">I", len(content)), kind, content, checksum]
    (tmp_path / "large.png").write_bytes(b"".join(parts))
    monkeypatch.delattr("PIL.PngImagePlugin.PngImageFile.load_prepare")
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(OSError, match=r"large\.png is a damaged image: .* would take 1,152,000,000"),
    ):
        load_img(tmp_path / "large.png")


def test_colours_that_are_not_there(tmp_path):
    """More transparent colours than the palette has: Pillow meets that when it converts."""
    scene(mode="P").save(tmp_path / "palette.png")
    content = (tmp_path / "palette.png").read_bytes()
    at = content.index(b"IDAT") - 4
    chunk = b"tRNS" + bytes(300)
    checksum = struct.pack(">I", zlib.crc32(chunk))
    damaged = content[:at] + struct.pack(">I", 300) + chunk + checksum + content[at:]
    (tmp_path / "palette.png").write_bytes(damaged)
    with pytest.raises(OSError, match=r"palette\.png is a damaged image: palette index"):
        load_img(tmp_path / "palette.png", color_mode="rgba")


@pytest.mark.parametrize("format_", ["eps", "ico", "pcx", "pdf"])
def test_formats_that_start_programs_or_hold_other_files(tmp_path, format_):
    scene().save(tmp_path / "photo.dat", format=format_)
    with pytest.raises(OSError, match=r"photo\.dat is not an image in a format that"):
        load_img(tmp_path / "photo.dat")


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/dev/zero"), os.mkfifo])
def test_files_without_an_end(tmp_path, make):
    if not Path("/dev/zero").exists():
        return  # Windows has none
    make(tmp_path / "endless.jpg")
    with pytest.raises(OSError, match=r"endless\.jpg is a folder or a special file"):
        load_img(tmp_path / "endless.jpg")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.jpg"):
        load_img(tmp_path / "nothing.jpg")
    with pytest.raises(OSError, match=Path(tmp_path).name):
        load_img(tmp_path)


# ---- bad arguments --------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"color_mode": "cmyk"}, "color_mode must be one of .* color_mode='cmyk'"),
        ({"interpolation": "cubic"}, "interpolation must be one of .* interpolation='cubic'"),
        ({"target_size": 100}, r"target_size must be \(height, width\)\. Received: 100"),
        ({"target_size": (100, 0)}, "target_size must be .* at least 1"),
        ({"target_size": (100, 100, 3)}, r"target_size must be .* \(100, 100, 3\)"),
    ],
)
def test_bad_arguments_of_load_img(folder, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_img(folder / "photo.jpg", **arguments)


def test_bad_arrays(tmp_path):
    with pytest.raises(ValueError, match=r"expected one image.* Received: shape \(1, 5, 5, 3\)"):
        array_to_img(np.zeros((1, 5, 5, 3)))
    with pytest.raises(ValueError, match=r"channels must be 1, 3 or 4\. Received: 2"):
        save_img(tmp_path / "x.png", np.zeros((5, 5, 2)))
    with pytest.raises(ValueError, match=r"expected one image\. Received: shape \(5,\)"):
        img_to_array(np.zeros(5))
    with pytest.raises(ValueError, match=r"data_format must be one of .*'channels_middle'"):
        img_to_array(scene(), "channels_middle")


def test_without_pillow_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install \"tinyconv\[images\]\""):
        load_img(folder / "photo.jpg")
