"""`plot_model`: a picture of the graph of a model, in a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyconv.explain.model_diagram import Details, diagram
from tinyconv.explain.model_dot import dot_source, render
from tinyconv.explain.model_picture import draw
from tinyconv.models import Model
from tinyconv.saving.atomic import atomic_path, write_bytes
from tinyconv.saving.errors import written_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = ("png", "svg", "pdf")
_SOURCE = ("dot", "gv")
_DIRECTIONS = ("TB", "BT", "LR", "RL")
_LARGEST = 2**16 - 1  # pixels a side that matplotlib can draw
# Keras' arguments that change nothing at these values.
_DEFAULTS = {"splines": "ortho", "layer_range": None}


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    **unsupported: Any,
) -> Figure | None:
    """Draw the graph of a model into a file, by Graphviz if its program `dot` is there.

    Args:
        model: built, that is with known shapes.
        to_file: `.png` (also without a suffix), `.svg` or `.pdf`; or `.dot`, Graphviz' own
            language, which needs no Graphviz to be written.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable:
            what the boxes tell beside the class of their layer.
        rankdir: where the graph runs to: "TB" (top to bottom), "BT", "LR" or "RL".
        expand_nested: whether the layers of nested models are shown, in a frame.
        dpi: dots per inch of a `.png`; fewer where it would be over 65,535 dots high or wide.

    Returns:
        The matplotlib Figure, if matplotlib drew it.

    Raises:
        TypeError: if `model` is none, or for an argument that is not supported.
        ValueError: for a model that is not built, or an argument out of range.
        FileNotFoundError: if the folder of the file does not exist.
        ImportError: if neither Graphviz nor matplotlib is installed.
    """
    for name, value in unsupported.items():
        if name not in _DEFAULTS or value != _DEFAULTS[name]:
            raise TypeError(f"plot_model: argument {name!r} is not supported. Received: {value!r}")
    _check_model(model)
    if rankdir not in _DIRECTIONS:
        raise ValueError(f"rankdir must be one of {_DIRECTIONS}. Received: {rankdir!r}")
    if isinstance(dpi, bool) or not isinstance(dpi, (int, float)) or not 1 <= dpi <= 10_000:
        raise ValueError(f"dpi must be a number from 1 to 10,000. Received: {dpi!r}")
    path = Path(to_file)
    format = path.suffix[1:].lower() or "png"
    if format not in _DRAWN + _SOURCE:
        known = ", ".join(f".{each}" for each in _DRAWN + _SOURCE)
        raise ValueError(f"to_file must end in one of {known}. Received: {os.fspath(to_file)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"plot_model: there is no folder {str(path.parent)!r}")

    details = Details(
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable
    )
    drawn = diagram(model, details, expand_nested)
    if format in _SOURCE:
        write_bytes(path, dot_source(drawn, rankdir, dpi).encode())
        return None
    program = shutil.which("dot")
    if program:
        write_bytes(path, render(dot_source(drawn, rankdir, dpi), format, program))
        return None
    figure = draw(drawn, rankdir)
    finest = min(dpi, *(_LARGEST / side for side in figure.get_size_inches()))
    with written_by("plot_model", path), atomic_path(path) as temporary:
        figure.savefig(temporary, format=format, dpi=finest)
    return figure


def _check_model(model: Any) -> None:
    if not isinstance(model, Model):
        raise TypeError(f"plot_model: expected a tinyconv model. Received: {model!r}")
    if not getattr(model, "inputs", None):
        raise ValueError(
            f"{model!r}: there is no graph to draw, as the shape of the input is not known yet. "
            "Start with an Input, give the first layer input_shape=, or call build(input_shape)"
        )
