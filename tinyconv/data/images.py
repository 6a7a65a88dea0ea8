"""Image files and arrays: Keras' `load_img`, `img_to_array`, `array_to_img`, `save_img`.

Pillow decodes, resamples and encodes; it is imported when one of them is called.
"""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.config import floatx
from tinyconv.image import height_width

if TYPE_CHECKING:
    from PIL.Image import Image

_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_GRAY_MODES = ("L", "I;16", "I")
_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_LAYOUTS = ("channels_last", "channels_first")
# Pillow knows more: some start other programs (EPS), some hold files of others (ICO).
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF")
_MOST_BYTES = 900 << 20  # of the pixels, as they are in the file and as they are asked for
_SCRATCH = {"JPEG": 6, "WEBP": 12, "AVIF": 12, "TIFF": 4}  # bytes a pixel that decoders take


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Image:
    """Read an image file as `keras.utils.load_img` does.

    Args:
        path: a path, or a `BytesIO` that holds the content of a file.
        color_mode: "grayscale" (a file with 16 or 32 bits a pixel keeps them), "rgb" or "rgba".
        target_size: (height, width) to resize to; None for the size of the file.
        interpolation: "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos".
        keep_aspect_ratio: cut the largest part with the proportions of `target_size` out
            of the middle, and resize that, instead of distorting the whole.

    Returns:
        A Pillow image; `img_to_array` makes an array of it.

    Raises:
        OSError: naming the file, if it is missing, empty, damaged or not an image, or would
            take a gigabyte of memory.
        ValueError, TypeError: naming the argument.
        ImportError: if Pillow is not installed.
    """
    if color_mode not in _MODES:
        raise ValueError(
            f"load_img: color_mode must be one of {tuple(_MODES)}. "
            f"Received: color_mode={color_mode!r}"
        )
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"load_img: interpolation must be one of {_INTERPOLATIONS}. "
            f"Received: interpolation={interpolation!r}"
        )
    image = _decode(path, color_mode)
    if target_size is None:
        return image
    height, width = height_width(target_size, "target_size", "load_img")
    if image.size == (width, height):
        return image
    filter_ = getattr(_pillow().Resampling, interpolation.upper())
    box = _middle(image.size, (width, height)) if keep_aspect_ratio else None
    return image.resize((width, height), filter_, box=box)


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> Array:
    """The pixels of a Pillow image as `keras.utils.img_to_array` gives them.

    Args:
        data_format: "channels_last" (the default) or "channels_first".
        dtype: None for `tinyconv.config.floatx()`.

    Returns:
        (height, width, channels), or (channels, height, width); values are those of the
        file, 0 to 255 as a rule, not 0 to 1.
    """
    pixels = np.asarray(img, dtype=floatx() if dtype is None else dtype)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3:
        raise ValueError(f"img_to_array: expected one image. Received: shape {pixels.shape}")
    return pixels.transpose(2, 0, 1) if _channels_first(data_format) else pixels


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Image:
    """Make a Pillow image of an array, as `keras.utils.array_to_img` does.

    Args:
        x: (height, width, channels) with 1, 3 or 4 channels; see `data_format`.
        data_format: "channels_last" (the default) or "channels_first".
        scale: stretch the values so that the smallest becomes 0 and the largest 255;
            False takes them as they are, cut down to bytes.
        dtype: what to count in; None for `tinyconv.config.floatx()`.
    """
    pixels = np.asarray(x, dtype=floatx() if dtype is None else dtype)
    if pixels.ndim != 3 or not pixels.size:
        raise ValueError(
            "array_to_img: expected one image, (height, width, channels). "
            f"Received: shape {pixels.shape}"
        )
    if _channels_first(data_format):
        pixels = pixels.transpose(1, 2, 0)
    channels = pixels.shape[2]
    if channels not in (1, 3, 4):
        raise ValueError(f"array_to_img: channels must be 1, 3 or 4. Received: {channels}")
    if scale:
        pixels = pixels - pixels.min()
        pixels /= pixels.max() or 1
        pixels *= 255
    if channels > 1:
        return _pillow().fromarray(np.ascontiguousarray(pixels.astype(np.uint8)))
    # More than a byte can hold: 32-bit grey values.
    dtype = np.int32 if pixels.max() > 255 else np.uint8
    return _pillow().fromarray(np.ascontiguousarray(pixels[:, :, 0].astype(dtype)))


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array to an image file, as `keras.utils.save_img` does.

    Args:
        path: a path whose suffix tells the format, or an open binary file.
        x, data_format, scale: see `array_to_img`; note that `scale` is on by default.
        file_format: "png", "jpeg", ...; needed for an open file.
        kwargs: for Pillow's `Image.save`, `quality=90` for instance.
    """
    if file_format is None and isinstance(path, (str, Path)):
        file_format = Path(path).suffix[1:].lower()
    if file_format is not None and file_format.lower() == "jpg":
        file_format = "jpeg"
    image = array_to_img(x, data_format=data_format, scale=scale)
    if image.mode == "RGBA" and file_format == "jpeg":
        warnings.warn(
            f"save_img: JPEG has no transparency; {path} is written without it", stacklevel=2
        )
        image = image.convert("RGB")
    image.save(path, format=file_format, **kwargs)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError('image files need Pillow: pip install "tinyconv[images]"') from error
    return Image


def _decode(path: Any, color_mode: str) -> Image:
    """The image, its pixels read, in the mode that is asked for."""
    pillow, mode = _pillow(), _MODES[color_mode]
    if isinstance(path, io.BytesIO):
        content, name = path.getvalue(), "the BytesIO"
    elif isinstance(path, (str, bytes, Path)):
        name = path.decode(errors="replace") if isinstance(path, bytes) else str(path)
        content = _content(path, name)
    else:
        raise TypeError(
            f"load_img: path must be a path or a BytesIO. Received: {type(path).__name__}"
        )
    try:
        pillow.init()
        formats = [each for each in _FORMATS if each in pillow.OPEN]  # AVIF is not in every build
        image = pillow.open(io.BytesIO(content), formats=formats)
        as_it_is = image.mode == mode or (color_mode == "grayscale" and image.mode in _GRAY_MODES)
        _check_size(image, () if as_it_is else (mode,))
        # Pillow is lazy: it meets most damage only when it reads the pixels, or their colours.
        image.load()
        return image if as_it_is else image.convert(mode)
    except pillow.UnidentifiedImageError as error:
        told = f"is not an image in a format that is read ({', '.join(_FORMATS)})"
        told = told if content else "is empty"
        raise OSError(f"load_img: {name} {told} ({len(content):,} bytes)") from error
    except Exception as error:  # Pillow's decoders pass on whatever they stumble over.
        raise OSError(f"load_img: {name} is a damaged image: {error}") from error


def _content(path: Any, name: str) -> bytes:
    """What is in a file; a device or a pipe may have no end."""
    if Path(os.fsdecode(path)).exists() and not Path(os.fsdecode(path)).is_file():
        raise OSError(f"load_img: {name} is a folder or a special file, no image")
    with open(path, "rb") as file:
        return file.read()


def _check_size(image: Any, more: tuple[str, ...]) -> None:
    """Raise ValueError for an image whose pixels would fill the memory; none is decoded yet.

    Args:
        more: modes in which they will be in memory besides that of the file.
    """
    each = [_bytes_a_pixel(mode) for mode in (image.mode, *more)]
    size = (sum(each) + _SCRATCH.get(image.format, 0)) * image.width * image.height
    if size > _MOST_BYTES:
        raise ValueError(
            f"{image.width} x {image.height} pixels ({image.mode}) would take {size:,} bytes"
        )


def _bytes_a_pixel(mode: str) -> int:
    """As Pillow keeps them: colours in four bytes, whatever they are."""
    return 1 if mode in ("1", "L", "P") else 2 if mode.startswith("I;16") else 4


def _middle(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest box in the middle of `size` with the proportions of `target`, (width, height)."""
    (width, height), (target_width, target_height) = size, target
    cut_width = max(1, min(width, height * target_width // target_height))
    cut_height = max(1, min(height, width * target_height // target_width))
    left, top = (width - cut_width) // 2, (height - cut_height) // 2
    return left, top, left + cut_width, top + cut_height


def _channels_first(data_format: str | None) -> bool:
    if data_format not in (None, *_LAYOUTS):
        raise ValueError(
            f"data_format must be one of {_LAYOUTS}. Received: data_format={data_format!r}"
        )
    return data_format == "channels_first"
