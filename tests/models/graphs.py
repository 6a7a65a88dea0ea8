"""Small graphs for the tests of functional models, in float64 unless asked otherwise."""

from typing import Any

import numpy as np

from tinyconv import Input, Model, layers

RNG = np.random.default_rng(5)


def value(*shape: int, dtype: str = "float64") -> Any:
    return Input(shape, dtype=dtype)


def dense(units: int, name: str | None = None, activation: str | None = "tanh", **base: Any) -> Any:
    return layers.Dense(units, activation=activation, name=name, **{"dtype": "float64", **base})


def add(*values: Any) -> Any:
    return layers.Add(dtype="float64")(list(values))


def join(*values: Any) -> Any:
    return layers.Concatenate(dtype="float64")(list(values))


def randomize(model: Any, seed: int = 0) -> Any:
    generator = np.random.default_rng(seed)
    model.set_weights([0.5 + generator.random(w.shape) for w in model.weights])
    return model


def siamese() -> Model:
    """Two inputs through one layer."""
    a, b = Input((3,), dtype="float64", name="a"), Input((3,), dtype="float64", name="b")
    shared = dense(4, "shared")
    return Model([a, b], dense(2, "top")(add(shared(a), shared(b))), name="siamese")


def two_by_two(dtype: str = "float64", **top: Any) -> Model:
    """Inputs image and facts, outputs kind (softmax) and size."""

    def made(cls: Any, *arguments: Any, **named: Any) -> Any:
        return cls(*arguments, dtype=dtype, **named)

    image, facts = (
        Input((4, 4, 2), dtype=dtype, name="image"),
        Input((3,), dtype=dtype, name="facts"),
    )
    x = made(layers.Conv2D, 3, 3, activation="relu", name="conv")(image)
    x = made(layers.Flatten, name="flat")(x)
    both = made(layers.Concatenate, name="both")([x, facts])
    kind = made(layers.Dense, 3, activation="softmax", name="kind", **top)(both)
    size = made(layers.Dense, 1, name="size")(x)
    return Model([image, facts], [kind, size], name="two_by_two")


def inputs_of(model: Model, samples: int = 5, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal((samples, *x.shape[1:])) for x in model.inputs]


class Spied:
    """Records the calls of some methods of a layer."""

    METHODS = ("backward", "backward_parameters", "backward_input", "forward", "infer")

    def __init__(self, *owners: Any) -> None:
        self.calls: list[tuple[str, str]] = []
        for owner in owners:
            for method in self.METHODS:
                setattr(owner, method, self._spy(owner, method, getattr(owner, method)))

    def _spy(self, owner: Any, method: str, original: Any) -> Any:
        def spy(*args: Any, **named: Any) -> Any:
            self.calls.append((owner.name, method))
            return original(*args, **named)

        return spy

    def backwards(self) -> set[str]:
        return {name for name, method in self.calls if method.startswith("backward")}
