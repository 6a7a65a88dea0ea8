"""Names of the classes that a model tells apart, where they can be known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinyconv.models.model import Model

_RUN = "run.json"  # that `tinyconv train` leaves beside its model


def names_for(model: Model, classes: int, file: Path | None) -> list[str] | None:
    """The names of a model's classes, or None where nobody knows them.

    A model in the folder of a run of `tinyconv train` has those of the run's data set. A model of
    colour images and 1,000 classes is taken for one of ImageNet, if Keras' list of these is on the
    disk.

    Args:
        classes: their number.
        file: the model's own.
    """
    if file is not None and (names := _of_run(file.parent)) and len(names) == classes:
        return names
    if classes == 1000 and model.inputs[0].shape[-1] == 3:
        from tinyconv.applications.imagenet_utils import names_at_hand

        return names_at_hand()
    return None


def checked(names: Sequence[str], classes: int) -> list[str]:
    """Names that were given, one a class.

    Raises:
        ValueError: if there are more or fewer of them than classes.
    """
    if isinstance(names, str) or len(names) != classes:
        raise ValueError(f"class_names must hold {classes} names, one a class. Received: {names!r}")
    return [str(name) for name in names]


def _of_run(folder: Path) -> list[str] | None:
    from tinyconv import data

    try:
        options = json.loads((folder / _RUN).read_text(encoding="utf-8"))
        names: Any = getattr(data, options["dataset"]).CLASS_NAMES
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # somebody else's folder
    return list(names)
