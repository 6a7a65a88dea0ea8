"""The table that `model.summary()` prints: Keras' columns and numbers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from tinyconv.layers.variable import Variable
    from tinyconv.models.model import Model

_WIDTH = 88
_POSITIONS = (0.45, 0.80, 1.0)  # where the columns end, as shares of the width


def summary_text(model: Model, line_length: int | None = None) -> str:
    """The summary as text, `line_length` characters wide (88, or what the terminal has).

    Raises:
        ValueError: while the shape of the input is unknown.
    """
    from rich.console import Console
    from rich.table import Table

    if not model.built:
        raise ValueError(
            f"{model!r}: the shape of the input is not known yet. Start with an Input, give the "
            "first layer input_shape=, call build(input_shape), or fit the model first"
        )
    width = line_length or min(_WIDTH, shutil.get_terminal_size().columns - 4)
    table = Table(width=width, show_lines=True)
    ends = [int(position * width) for position in _POSITIONS]
    titles = ("Layer (type)", "Output Shape", "Param #")
    for title, start, end in zip(titles, (0, *ends), ends, strict=False):
        justify: Literal["left", "right"] = "right" if title == "Param #" else "left"
        table.add_column(title, width=end - start, justify=justify)
    shape = model.input_shape
    for layer in model.layers:
        shape = layer.compute_output_shape(shape)
        name = f"{layer.name} ({type(layer).__name__})"
        table.add_row(name, str(tuple(shape)), f"{layer.count_params():,}")
    console = Console(width=max(width, 40), color_system=None, highlight=False, markup=False)
    with console.capture() as capture:
        console.print(f'Model: "{model.name}"')
        console.print(table)
        for line in _totals(model):
            console.print(line)
    return capture.get().rstrip("\n")


def _totals(model: Model) -> list[str]:
    """Numbers of parameters with the memory they take.

    Keras counts the optimizer's values into the total once they exist: its slots, the
    step number (8 bytes) and the learning rate (4).
    """
    trainable, frozen = _size(model.trainable_weights), _size(model.non_trainable_weights)
    sizes = {"Trainable": trainable, "Non-trainable": frozen}
    if model.optimizer is not None and model.optimizer.iterations:
        slots = len(model.optimizer.slot_names())
        sizes["Optimizer"] = (slots * trainable[0] + 2, slots * trainable[1] + 8 + 4)
    count, size = (sum(column) for column in zip(*sizes.values(), strict=True))
    sizes = {"Total": (count, size), **sizes}
    return [f" {title} params: {n:,} ({_readable(b)})" for title, (n, b) in sizes.items()]


def _size(variables: list[Variable]) -> tuple[int, int]:
    """(number of values, bytes)."""
    counts = [int(np.prod(variable.shape)) for variable in variables]
    items = [np.dtype(variable.dtype).itemsize for variable in variables]
    return sum(counts), sum(n * item for n, item in zip(counts, items, strict=True))


def _readable(size: float) -> str:
    """1.61 MB."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"
