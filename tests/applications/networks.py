"""Small versions of the networks, from either library, and images for them."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZES = {"VGG16": 32, "ResNet50": 64}
CLASSES = 6


def made(library: Any, network: str, top: bool = True, **arguments: Any) -> Any:
    """A small version of a network, from either library."""
    size = SIZES[network]
    arguments = {"weights": None, "input_shape": (size, size, 3), **arguments}
    if top:
        arguments.setdefault("classes", CLASSES)
    return getattr(library.applications, network)(include_top=top, **arguments)


def images(network: str, count: int = 2) -> np.ndarray:
    size = SIZES[network]
    return np.random.default_rng(1).normal(0, 60, (count, size, size, 3)).astype("float32")
