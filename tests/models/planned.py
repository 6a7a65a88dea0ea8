"""Small models in float64 for the tests of the plan, and how one is told."""

from tests.models.graphs import randomize
from tinyconv import Input, Sequential, layers


def conv(filters=3, size=3, name="conv", **named):
    return layers.Conv2D(filters, size, name=name, **{"dtype": "float64", **named})


def dense(units=3, name="dense", **named):
    return layers.Dense(units, name=name, **{"dtype": "float64", **named})


def norm(**named):
    return layers.BatchNormalization(name="norm", **{"dtype": "float64", **named})


def relu(name="relu", dtype="float64", **named):
    return layers.ReLU(name=name, dtype=dtype, **named)


def pool(name="pool", **named):
    return layers.MaxPooling2D(name=name, **{"dtype": "float64", **named})


def flat():
    return layers.Flatten(name="flat", dtype="float64")


def mixed(model):
    """Kernels of both signs, so that ReLU is shut here and open there; all else is positive."""
    for weight in randomize(model, seed=4).weights:
        if weight.name == "kernel":
            weight.value[...] -= 1
    return model


def made(*parts, shape=(8, 8, 2)):
    return mixed(Sequential([Input(shape, dtype="float64"), *parts]))


def planned(model, training=True, needed=True, logits=()):
    """[(operation, names of the layers)], for a pass that goes back unless `needed` is None."""
    ways = None if needed is None else [needed] * len(model.inputs)
    return [
        (work.block.operation or "alone", " ".join(call.layer.name for call in work.block.calls))
        for work in model.graph.plan(training, ways, logits).work
    ]
