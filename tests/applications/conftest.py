"""Files of weights for small versions of the networks, as Keras writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.cases.applications import write_legacy
from tests.applications.networks import made
from tests.data.conftest import closed_port, keras_home, web  # noqa: F401

keras = pytest.importorskip("keras")


@pytest.fixture(scope="session")
def keras_files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(network, top, ending) -> a file of a model that Keras has initialised, and the model."""
    folder = tmp_path_factory.mktemp("weights")
    kept: dict[Any, tuple[Path, Any]] = {}

    def file(network: str, top: bool = True, ending: str = ".h5") -> tuple[Path, Any]:
        wanted = (network, top, ending)
        if wanted not in kept:
            others = [model for (n, t, _), (_, model) in kept.items() if (n, t) == wanted[:2]]
            model = others[0] if others else _initialised(network, top)
            path = folder / f"{network}-{top}{ending}"
            if ending == ".h5":
                write_legacy(model, path)
            elif ending == ".weights.h5":
                model.save_weights(path)
            else:
                model.save(path)
            kept[wanted] = path, model
        return kept[wanted]

    return file


def _initialised(network: str, top: bool) -> Any:
    """Statistics and biases too differ from one another, or a mixed-up order would not show."""
    keras.utils.set_random_seed(3)
    model = made(keras, network, top)
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if weight.name != "kernel":
            weight.assign(weight + 0.2 * rng.random(weight.shape))
    return model
