"""What the way back visits, what a pass keeps, and what frozen parts do."""

import gc
import weakref
from typing import ClassVar

import numpy as np
import pytest

import tinyconv
from tests.models.graphs import (
    RNG,
    Spied,
    add,
    dense,
    inputs_of,
    join,
    randomize,
    siamese,
    two_by_two,
    value,
)
from tinyconv import Model, Sequential, layers
from tinyconv.backends import get_backend
from tinyconv.backends.execution import Execution
from tinyconv.layers import Layer
from tinyconv.layers.base import Cache


def trained_step(model):
    """One step on random data; the names of the layers whose backward was called."""
    parts = [part for layer in model.layers for part in leaves(layer)]
    spied = Spied(*parts)
    model.compile("sgd", "mse")
    y = [RNG.standard_normal((5, *shape[1:])) for shape in model.output_shapes]
    x = inputs_of(model)
    model.train_on_batch(x if len(x) > 1 else x[0], y if len(y) > 1 else y[0])
    return spied.backwards()


def leaves(layer):
    return [part for each in layer.layers for part in leaves(each)] if is_model(layer) else [layer]


def is_model(layer):
    return isinstance(layer, Model)


def kept(model, x):
    """Names of the layers, also of nested models, that kept a cache in a training step."""
    return {name for name, entry in caches(model, x) if entry is not None}


def caches(model, x):
    _, cache = model.forward_for_loss(x, True, [False] * len(model.output_names))
    steps = zip(model.graph.steps, cache.tape.caches, strict=True)
    return [(step.layer.name, entry) for step, entry in steps]


def two_branches():
    """x -> a -> b, x -> c -> d, then add -> top."""
    x = value(3)
    left, right = dense(4, "b")(dense(4, "a")(x)), dense(4, "d")(dense(4, "c")(x))
    return Model(x, dense(2, "top")(layers.Add(name="add", dtype="float64")([left, right])))


ALL = {"a", "b", "c", "d", "add", "top"}


@pytest.mark.parametrize(
    ("frozen", "visited"),
    [
        ("", ALL),
        ("a", ALL - {"a"}),
        ("a b", ALL - {"a", "b"}),
        ("c d", ALL - {"c", "d"}),
        ("b", ALL),
        ("b d", ALL),
        ("a b c", ALL - {"a", "b", "c"}),
        ("a b c d", {"top"}),
        ("top", ALL),
    ],
)
def test_the_way_back_stops_below_the_lowest_trained_layer_of_each_branch(frozen, visited):
    model = two_branches()
    for name in frozen.split():
        model.get_layer(name).trainable = False
    assert kept(model, inputs_of(model)) == visited
    before = {w.path: w.numpy().copy() for w in model.weights}
    assert trained_step(model) == visited
    for weight in model.weights:
        moved = not np.array_equal(weight.numpy(), before[weight.path])
        assert moved == (weight.layer.name not in frozen.split())


def test_the_lowest_layer_is_asked_for_its_parameters_alone():
    model = two_branches()
    model.get_layer("a").trainable = False
    spied = Spied(*model.layers)
    model.compile("sgd", "mse")
    model.train_on_batch(inputs_of(model)[0], np.ones((5, 2)))
    last = [(name, method) for name, method in spied.calls if method.startswith("backward")]
    assert ("b", "backward_parameters") in last
    assert ("c", "backward_parameters") in last
    assert ("d", "backward") in last


def test_inside_a_partly_frozen_model():
    inner = Sequential([value(3), dense(4, "low"), dense(4, "high")], name="inner")
    x = value(3)
    model = Model(x, dense(2, "top")(inner(x)))
    inner.get_layer("low").trainable = False
    assert kept(model, inputs_of(model)) == {"high", "top"}
    assert trained_step(model) == {"high", "top"}
    inner.trainable = False
    assert kept(model, inputs_of(model)) == {"top"}


def test_inside_a_model_of_two_inputs_one_of_which_needs_no_slope():
    inner = siamese()
    a, b = value(3), value(3)
    model = Model([a, b], dense(2, "end")(inner([dense(3, "below")(a), b])))
    inner.trainable = False
    names = kept(model, inputs_of(model))
    assert names == {"below", "shared", "add", "top", "end"}
    nothing = [name for name, entry in caches(model, inputs_of(model)) if entry is None]
    assert nothing == ["shared"], "its call on b"
    assert trained_step(model) == names


def test_frozen_parts_do_not_change_the_others_gradients():
    free, partly = randomize(two_branches()), randomize(two_branches())
    partly.get_layer("c").trainable = partly.get_layer("b").trainable = False
    x = inputs_of(free)
    results = []
    for model in (free, partly):
        (y,), tape = model.forward_for_loss(x, True, [False])
        results.append(model.backward_from_loss([np.ones_like(y)], tape))
    for weight in partly.trainable_weights:
        np.testing.assert_array_equal(results[1][weight.path], results[0][weight.path])


@pytest.mark.parametrize("how", ["layer", "model", "outer", "call"])
def test_a_frozen_batch_normalization_is_in_inference_mode(how):
    norm = layers.BatchNormalization(name="norm", dtype="float64")
    inner = Sequential([value(3), norm], name="inner")
    x = value(3)
    inside = Model(x, inner(x, training=False if how == "call" else None), name="inside")
    z = value(3)
    model = Model(z, dense(2)(inside(z)))
    if how != "call":
        {"layer": norm, "model": inner, "outer": inside}[how].trainable = False
    norm.state["moving_mean"][...] = 0.5
    before = {key: array.copy() for key, array in norm.state.items()}
    data = 3 + RNG.standard_normal((8, 3))
    expected = norm(data)
    part = Model(z, inside(z))
    np.testing.assert_allclose(part.forward(data, training=True)[0], expected, rtol=1e-12)
    model.compile("sgd", "mse")
    model.fit(data, np.ones((8, 2)), epochs=2, verbose=0)
    for key, array in norm.state.items():
        np.testing.assert_array_equal(array, before[key])


def test_an_unfrozen_batch_normalization_is_not():
    norm = layers.BatchNormalization(name="norm", dtype="float64")
    x = value(3)
    model = Model(x, dense(2)(norm(x)))
    model.trainable = False
    model.trainable = True
    model.compile("sgd", "mse")
    model.fit(3 + RNG.standard_normal((8, 3)), np.ones((8, 2)), verbose=0)
    assert norm.state["moving_mean"].all()


def test_a_parameter_that_no_loss_depends_on_stays():
    model = two_by_two()
    model.compile("adam", [None, "mse"])
    before = {w.path: w.numpy().copy() for w in model.weights}
    model.train_on_batch(inputs_of(model), [None, np.ones((5, 1))])
    moved = {w.path for w in model.weights if not np.array_equal(before[w.path], w.numpy())}
    assert moved == {"conv/kernel", "conv/bias", "size/kernel", "size/bias"}


# ---- memory -----------------------------------------------------------------------


class Watched(Layer):
    """y = x + 1, telling how many of its results are alive at once."""

    alive: ClassVar[list] = []
    most = 0

    def forward(self, x, training=False):
        y = get_backend().xp.add(self.prepare(x), 1.0).view(Tracked)
        Watched.alive.append(weakref.ref(y))
        Watched.most = max(Watched.most, sum(ref() is not None for ref in Watched.alive))
        return y, Cache(self, y.shape)

    def backward(self, dy, cache):
        return self.check_backward(dy, cache), {}


class Tracked(np.ndarray):
    """An array that a weak reference may point to."""


def test_values_are_freed_as_soon_as_nobody_needs_them():
    Watched.alive, Watched.most = [], 0
    x = y = value(3)
    for _ in range(10):
        y = Watched(dtype="float64")(y)
    model = Model(x, add(y, x))
    model.predict(np.ones((4, 3)), verbose=0)
    assert len(Watched.alive) == 10
    assert Watched.most <= 2
    gc.collect()
    assert not [ref for ref in Watched.alive if ref() is not None]


def test_a_value_lives_until_its_last_use_and_outputs_to_the_end():
    x = value(2)
    first = layers.Rescaling(2.0, dtype="float64")(x)
    second = layers.Rescaling(3.0, dtype="float64")(first)
    model = Model(x, [join(first, second), second, first])
    ones = np.ones((1, 2))
    whole, six, two = model(ones)
    np.testing.assert_array_equal(whole, [[2, 2, 6, 6]])
    np.testing.assert_array_equal(six, 6 * ones)
    np.testing.assert_array_equal(two, 2 * ones)


# ---- the cost of the graph --------------------------------------------------------


def operations(monkeypatch):
    """Counts the calls of the backend's operations."""
    backend, counts = get_backend(), {}
    for name in dir(type(backend)):
        original = getattr(backend, name)
        if name.startswith("_") or name == "xp" or not callable(original):
            continue

        def spy(*args, name=name, original=original, **named):
            counts[name] = counts.get(name, 0) + 1
            return original(*args, **named)

        monkeypatch.setattr(backend, name, spy, raising=False)
    return counts


def by_hand(parts, x, y, loss):
    """One step through the layers one after the other, the last activation left to the loss."""
    caches = []
    for layer in parts[:-1]:
        x, cache = layer.forward(x, True)
        caches.append(cache)
    z, last = parts[-1].forward_logits(x, True)
    dy = loss.compute(y, z, None, from_logits=True).gradient
    for layer, cache in zip([parts[-1], *parts[-2:0:-1]], [last, *caches[:0:-1]], strict=True):
        dy, _ = layer.backward(dy, cache)
    parts[0].backward_parameters(dy, caches[0])


@pytest.mark.parametrize("functional", [False, True])
def test_a_step_calls_no_more_operations_than_its_layers(monkeypatch, functional):
    def parts():
        return [
            layers.Conv2D(3, 3, activation="relu"), layers.BatchNormalization(),
            layers.MaxPooling2D(), layers.Flatten(), layers.Dense(4, activation="softmax"),
        ]  # fmt: skip

    x = np.ones((2, 8, 8, 1), "float32")
    y = np.array([1, 2])
    start = tinyconv.Input((8, 8, 1))
    if functional:
        end = start
        for layer in parts():
            end = layer(end)
        model = Model(start, end)
        made = model.layers[1:]
    else:
        model = Sequential([start, *parts()])
        made = model.layers
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(x, y)
    counts = operations(monkeypatch)
    by_hand(made, x, y, model.loss)
    layers_alone = dict(counts)
    counts.clear()
    model.train_on_batch(x, y)
    blocks = {name for name in counts if "_block" in name}  # made of what layers ask for
    ways = {f"{kind}_block{way}" for kind in ("conv", "dense") for way in ("", "_backward")}
    assert {name: counts.get(name) for name in ways} == dict.fromkeys(ways, 1)
    for name in counts.keys() - {"asarray", "to_numpy"} - vars(Execution).keys() - blocks:
        more = 1 if name.startswith("sgd") else 0  # the update of the weights
        assert counts[name] <= layers_alone.get(name, 0) + more, name
    assert {"batch_norm", "max_pool"} <= counts.keys()
    assert counts["asarray"] <= layers_alone["asarray"] + 8
