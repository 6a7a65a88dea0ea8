"""Small helpers under Keras' name `utils`."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyconv.backends.base import Array
from tinyconv.data.images import array_to_img, img_to_array, load_img, save_img
from tinyconv.explain.model_plot import plot_model
from tinyconv.random import set_seed as set_random_seed
from tinyconv.registry import clear_session

__all__ = [
    "array_to_img",
    "clear_session",
    "img_to_array",
    "load_img",
    "plot_model",
    "save_img",
    "set_random_seed",
    "to_categorical",
]


def to_categorical(labels: Any, num_classes: int | None = None) -> Array:
    """Integer labels (N,) or (N, 1) as one-hot rows (N, num_classes), float32.

    Raises:
        ValueError: for labels that are not integers in [0, num_classes).
    """
    labels = np.asarray(labels)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    whole = labels.astype("int64")
    if labels.size and (whole != labels).any():
        raise ValueError(f"labels must be integers. Received: dtype {labels.dtype}")
    classes = int(whole.max()) + 1 if num_classes is None else num_classes
    if labels.size and (whole.min() < 0 or whole.max() >= classes):
        raise ValueError(
            f"labels must be in [0, {classes}). Received: {whole.min()} to {whole.max()}"
        )
    return np.eye(classes, dtype="float32")[whole]
