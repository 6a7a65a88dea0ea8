"""`report`: everything there is to see about one prediction, as one file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyconv.explain.report.page import page
from tinyconv.explain.report.prepare import prepare
from tinyconv.explain.report.subject import subject
from tinyconv.geometry import integer
from tinyconv.saving.atomic import write_bytes

if TYPE_CHECKING:
    from tinyconv.models.model import Model


def report(
    model: Model | str | os.PathLike[str],
    image: Any,
    path: str | os.PathLike[str],
    *,
    class_index: int | None = None,
    class_names: Sequence[str] | None = None,
    scale: str | None = None,
    invert: bool = False,
    deep: int = 12,
) -> Path:
    """Write a page that explains one prediction, layer by layer: one HTML file that needs no other.

    It shows the classes, what speaks for the first of them (Grad-CAM, saliency), each layer with
    its maps, their gradients and its formula, the inside of layers (im2col and col2im at one
    pixel, filters, receptive field, pooling, normalisation, dropout), the distributions of outputs
    and gradients, and the trace. The model is left as it was.

    Args:
        model: a model with one input, an image; or the file of one.
        image: path of an image file, read by `image_for`; or an array as the model takes it,
            (H, W, C), or several, of which the first is explained.
        path: of the page, as a rule ending in .html.
        class_index: the class whose score is followed back, the most probable unless given.
        class_names: a name for each class; those of the data set where `tinyconv train` made the
            model, and ImageNet's for 1,000 classes, are known.
        scale, invert: of an image file, see `image_for`.
        deep: layers whose inside is drawn, at most; the page says what it left out.

    Returns:
        The path.

    Raises:
        ValueError: for a class, names or an image that do not fit, or a model of several inputs.
        OSError: for a file that is missing or can't be read, or a path that can't be written:
            then nothing there has changed.
        ImportError: if matplotlib or Pillow is not installed.
    """
    integer(deep, "deep", "report", minimum=0)
    place = Path(path)
    _check_place(place)
    file = None
    if isinstance(model, (str, os.PathLike)):
        from tinyconv.models import load_model

        file = Path(model)
        model = load_model(file, compile=False)
    prepared = None
    if isinstance(image, (str, os.PathLike)):
        prepared = prepare(model, image, scale, invert)
        x = prepared.x
    elif scale is not None or invert:
        raise ValueError("report: scale and invert are for image files. Received: an array")
    else:
        x = image
    about = subject(model, x, prepared, file, class_index, class_names, deep)
    write_bytes(place, page(about).encode())
    return place


def _check_place(place: Path) -> None:
    """Raise OSError now rather than after all the work."""
    reason = ""
    if place.is_dir():
        reason = "it is a folder; give the name of a file, such as report.html"
    elif not place.parent.is_dir():
        reason = f"there is no folder {place.parent}"
    elif not os.access(place.parent, os.W_OK):
        reason = f"the folder {place.parent} cannot be written to"
    if reason:
        raise OSError(f"report: {place}: {reason}")
