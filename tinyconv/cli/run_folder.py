"""What a training run leaves behind in its folder."""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyconv import explain
from tinyconv.backends.base import Array
from tinyconv.models import Model
from tinyconv.saving.atomic import atomic_path


@contextlib.contextmanager
def new_folder(base: Path, name: str) -> Iterator[Path]:
    """base/name, or base/name-2, -3, ... so that no earlier run is overwritten.

    A run that ends before it has written anything leaves no folder behind.
    """
    base.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        folder = base / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            break
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def write_history(folder: Path, history: dict[str, list[float]]) -> Path:
    """history.csv: a row an epoch."""
    path = folder / "history.csv"
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *history])
        rows = zip(*history.values(), strict=True)
        writer.writerows([epoch, *values] for epoch, values in enumerate(rows, start=1))
    return path


def write_pictures(
    folder: Path,
    history: dict[str, list[float]],
    images: Array,
    labels: Array,
    probabilities: Array,
    class_names: list[str],
) -> list[Path]:
    """training_curves.png, predictions.png and confusion.png."""
    predicted = probabilities.argmax(axis=1)
    figures: dict[str, Any] = {
        "training_curves.png": explain.training_curves(history),
        "predictions.png": explain.predictions(images, labels, probabilities, class_names),
        "confusion.png": explain.confusion(labels, predicted, class_names),
    }
    for name, figure in figures.items():
        with atomic_path(folder / name) as temporary:
            figure.savefig(temporary, format="png", dpi=150)
    return [folder / name for name in figures]


def write_all(
    folder: Path,
    model: Model,
    history: dict[str, list[float]],
    images: Array,
    labels: Array,
    probabilities: Array,
    class_names: list[str],
) -> list[Path]:
    """Everything: weights, history, pictures."""
    weights = folder / "model.weights.h5"
    model.save_weights(weights)
    pictures = write_pictures(folder, history, images, labels, probabilities, class_names)
    return [weights, write_history(folder, history), *pictures]
