"""Pictures inside a page: figures as SVG, maps and photographs as PNG, both as data URIs."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv.explain.cells import signed
from tinyconv.explain.feature_maps import brightness
from tinyconv.explain.report.markup import Html, tag
from tinyconv.explain.style import FAINT, INK, RIGHT, WRONG, square

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAPER = "#fffffe"  # the ground of a figure; white cells and white numbers are another white
# What the colours of a figure become where the reader's screen is dark. Numbers in pale cells
# have an ink of their own, which stays.
_DARK = {_PAPER: "#1c1f26", INK: "#e6e8ee", FAINT: "#9aa3b2", RIGHT: "#6c9ff2", WRONG: "#f0727e"}
_DPI = 100  # of the images in a figure
_LARGEST = 112  # pixels along a side of a map; larger ones are averaged down
_COARSE = 64  # pixels along a side up to which each is shown as a square, without smoothing
_NOISE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", re.S)


class Picture(NamedTuple):
    """Pixels as PNG.

    Attributes:
        source: data URI.
        width, height: in pixels.
    """

    source: str
    width: int
    height: int

    def image(self, alt: str) -> Html:
        """The element that shows it."""
        coarse = max(self.width, self.height) <= _COARSE
        return tag(
            "img", src=self.source, alt=alt, width=self.width, height=self.height,
            class_="coarse" if coarse else None, decoding="async",
        )  # fmt: skip


def drawing(figure: Figure, alt: str, caption: Any = None) -> Html:
    """A figure of matplotlib, as wide as there is room; narrower screens scroll it."""
    width, height = (round(96 * float(inches)) for inches in figure.get_size_inches())
    source = _uri("image/svg+xml", svg(figure).encode())
    image = tag("img", src=source, alt=alt, width=width, height=height, decoding="async")
    return tag(
        "figure",
        tag("div", image, class_="scroll", tabindex=0),
        caption and tag("figcaption", caption),
        class_="drawing",
    )


def svg(figure: Figure) -> str:
    """A figure as SVG with light and dark colours, of which the reader's scheme chooses."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "tinyconv", "svg.fonttype": "path"}):
        figure.savefig(
            buffer, format="svg", dpi=_DPI, transparent=True, facecolor=_PAPER,
            metadata={"Date": None},
        )  # fmt: skip
    rules = "".join(
        f'[style*="{what}: {light}"]{{{what}:{dark}!important}}'
        for light, dark in _DARK.items()
        for what in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    text = _NOISE.sub("", buffer.getvalue()).strip()
    return text.replace("</svg>", f"{style}</svg>")


def heat(values: np.ndarray) -> Picture:
    """A map (H, W) as PNG: bright where it is strong; with signs if it has any.

    The scale is that of `explain.feature_maps`.
    """
    low, high = brightness(values)
    if low < 0:
        return slopes(values)
    return _coloured(values, "magma", 0.0, high)


def slopes(values: np.ndarray, limit: float = 0.0) -> Picture:
    """A map (H, W) as PNG: blue above zero, red below; full colours at the limit, if given."""
    limit = limit or float(np.quantile(np.abs(values), 0.995)) or float(np.abs(values).max()) or 1.0
    return _coloured(values, signed(), -limit, limit)


def photograph(pixels: np.ndarray) -> Picture:
    """An image (H, W, 3) from 0 to 1 as PNG."""
    from PIL import Image

    return _png(Image.fromarray(np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)))


def tile(picture: Picture, alt: str, caption: Any = "", large: bool = False) -> Html:
    """One picture of several that flow beside each other."""
    kind = "tile large" if large else "tile"
    return tag("figure", picture.image(alt), caption and tag("figcaption", caption), class_=kind)


def tiles(*children: Any) -> Html:
    """Pictures that flow beside each other."""
    return tag("div", *children, class_="tiles")


def as_map(values: np.ndarray) -> np.ndarray:
    """One map (h, w) that stands for an output (...) : its liveliest, or a vector as a block."""
    if values.ndim == 3:
        return values[..., int(values.std(axis=(0, 1)).argmax())]
    return np.nan_to_num(square(values))


def _coloured(values: np.ndarray, colours: Any, low: float, high: float) -> Picture:
    import matplotlib
    from PIL import Image

    shown = values.astype(np.float32)
    if max(shown.shape) > _LARGEST:
        share = _LARGEST / max(shown.shape)
        size = [max(1, round(share * n)) for n in shown.shape[::-1]]
        shown = np.asarray(Image.fromarray(shown).resize(size, Image.Resampling.BOX))
    scaled = np.clip((np.nan_to_num(shown) - low) / ((high - low) or 1.0), 0, 1)
    table = matplotlib.colormaps[colours] if isinstance(colours, str) else colours
    palette = np.rint(255 * table(np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)
    image = Image.fromarray(np.rint(255 * scaled).astype(np.uint8))
    image.putpalette(palette.tobytes())
    return _png(image)


def _png(image: Any) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return Picture(_uri("image/png", buffer.getvalue()), *image.size)


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
