"""The benchmarks' networks, trained for a few steps on any backend."""

from typing import Any, NamedTuple

import numpy as np

import tinyconv
from benchmarks.networks import WORK, build, images, labels
from tinyconv import optimizers

SHAPES = {
    "dense": (28, 28, 1),
    "cnn": (28, 28, 1),
    "cats vs dogs": (48, 48, 3),
    "vgg16 fine-tuning": (32, 32, 3),
}


class Trained(NamedTuple):
    """What a few steps have made of a network: all as NumPy arrays."""

    losses: list[float]
    weights: list[np.ndarray]
    outputs: np.ndarray


def network(name: str, optimizer: Any = None) -> Any:
    """A compiled network; the same weights for everybody."""
    tinyconv.utils.set_random_seed(0)
    model = build("tinyconv", name, SHAPES[name])
    several = WORK[name].classes > 1
    loss = "sparse_categorical_crossentropy" if several else "binary_crossentropy"
    model.compile(optimizer or optimizers.SGD(0.01, momentum=0.9), loss, metrics=["accuracy"])
    return model


def train(backend: str, name: str, steps: int, batch: int = 16) -> Trained:
    """The network after as many steps, each on a batch of its own."""
    x, y = images(SHAPES[name], batch * steps), labels(WORK[name].classes, batch * steps)
    with tinyconv.use_backend(backend):
        model = network(name)
        losses = [
            float(model.train_on_batch(x[n : n + batch], y[n : n + batch])[0])
            for n in range(0, len(x), batch)
        ]
        return Trained(losses, model.get_weights(), model.predict(x[:batch], verbose=0))
