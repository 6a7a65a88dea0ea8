"""What a training run leaves behind in its folder."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinyconv import explain
from tinyconv.backends.base import Array
from tinyconv.callbacks import BackupAndRestore
from tinyconv.cli import run_state
from tinyconv.models import Model
from tinyconv.saving.atomic import atomic_path

LOG = "history.csv"


@contextlib.contextmanager
def new_folder(base: Path, name: str) -> Iterator[Path]:
    """base/name, or base/name-2, -3, ... so that no earlier run is overwritten.

    A run that fails before its first backup leaves no folder behind.
    """
    fresh = not base.exists()
    try:
        base.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            folder = base / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
                break
    except OSError as error:
        reason = f"--out: no run can be written there: {error.strerror}"
        raise OSError(error.errno, reason, str(base)) from error
    try:
        yield folder
    except BaseException:
        if not BackupAndRestore(folder / run_state.BACKUP).file.exists():
            shutil.rmtree(folder)
            if fresh and not any(base.iterdir()):
                base.rmdir()
        raise


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
    """The model and the pictures; the log of the epochs is there already."""
    model.save(folder / "model.keras")
    pictures = write_pictures(folder, history, images, labels, probabilities, class_names)
    return [folder / "model.keras", folder / LOG, *pictures]
