"""Functional models: what they compute, forward and back."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinyconv
from tests.models.graphs import (
    RNG,
    add,
    dense,
    inputs_of,
    join,
    randomize,
    siamese,
    two_by_two,
    value,
)
from tinyconv import Input, Model, Sequential, layers
from tinyconv.models import Functional
from tinyconv.testing import assert_gradients


def kernel(model, name):
    layer = model.get_layer(name)
    return layer.params["kernel"], layer.params["bias"]


# ---- values -----------------------------------------------------------------------


def test_a_model_of_a_graph_is_functional():
    model = siamese()
    assert type(model) is Functional
    assert isinstance(model, Model)
    assert model.built
    assert (model.input_names, model.output_names) == (["a", "b"], ["top"])
    assert model.input_shape == [(None, 3), (None, 3)]
    assert model.output_shape == (None, 2)
    assert [layer.name for layer in model.layers] == ["a", "b", "shared", "add", "top"]


def test_the_output_is_what_one_computes_by_hand():
    model = randomize(siamese())
    a, b = inputs_of(model)
    (k, c), (top, d) = kernel(model, "shared"), kernel(model, "top")
    expected = np.tanh((np.tanh(a @ k + c) + np.tanh(b @ k + c)) @ top + d)
    for y in (model([a, b]), model((a, b)), model({"b": b, "a": a}), model.predict([a, b])):
        np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_several_outputs_are_a_list():
    model = two_by_two()
    x = inputs_of(model)
    kind, size = model(x)
    assert (kind.shape, size.shape) == ((5, 3), (5, 1))
    assert model.output_names == ["kind", "size"]
    for given in (x, dict(zip(model.input_names, x, strict=True))):
        predicted = model.predict(given, batch_size=2, verbose=0)
        np.testing.assert_allclose(predicted[0], kind, rtol=1e-12)
        np.testing.assert_allclose(predicted[1], size, rtol=1e-12)


def test_gradients_of_a_shared_layer_are_the_sum_over_its_calls():
    model = randomize(siamese())
    a, b = inputs_of(model)
    shared, top = model.get_layer("shared"), model.get_layer("top")
    y, cache = model.forward([a, b], training=True)
    dy = RNG.standard_normal(y.shape)
    dx, grads = model.backward(dy, cache)

    (h_a, c_a), (h_b, c_b) = shared.forward(a), shared.forward(b)
    dh, top_grads = top.backward(dy, top.forward(h_a + h_b)[1])
    (da, of_a), (db, of_b) = shared.backward(dh, c_a), shared.backward(dh, c_b)
    assert set(grads) == {"shared/kernel", "shared/bias", "top/kernel", "top/bias"}
    for key in ("kernel", "bias"):
        np.testing.assert_allclose(grads[f"shared/{key}"], of_a[key] + of_b[key], rtol=1e-12)
        np.testing.assert_allclose(grads[f"top/{key}"], top_grads[key], rtol=1e-12)
    np.testing.assert_allclose(dx[0], da, rtol=1e-12)
    np.testing.assert_allclose(dx[1], db, rtol=1e-12)


def diamond():
    x = value(3)
    first = dense(4)(x)
    return Model(x, dense(2)(add(dense(3)(first), dense(3, activation="sigmoid")(first))))


def one_value_twice():
    x = value(3)
    y = dense(3)(x)
    return Model(x, add(y, y, x, y))


def in_a_row():
    x = value(3)
    layer = dense(3)
    return Model(x, join(layer(layer(layer(x))), x))


def inner_outputs():
    x = value(3)
    h = dense(4, "h")(x)
    y = dense(2, "y")(h)
    return Model(x, [y, h, y])


def an_input_as_output():
    x = value(3)
    return Model(x, [dense(2)(x), x])


def a_model_twice():
    inner, x, other = siamese(), value(3), value(3)
    return Model([x, other], add(inner([x, other]), inner([other, other])))


def two_outputs_inside():
    x = value(3)
    inner = Model(x, [dense(3, "left")(x), dense(3, "right")(x)], name="inner")
    z = value(3)
    left, right = inner(z)
    again, _ = inner(right)
    return Model(z, join(left, again))


def one_output_unused():
    x, z = value(3), value(3)
    inner = Model(x, [dense(3, "left")(x), dense(3, "right")(x)], name="inner")
    return Model(z, dense(2)(inner(z)[1]))


def in_sequential():
    x = value(3)
    inner = Model(x, add(dense(3)(x), x))
    return Sequential([value(3), dense(3), inner, dense(2)])


def sequential_inside():
    chain = Sequential([dense(4), layers.BatchNormalization(dtype="float64"), dense(3)])
    x = value(3)
    return Model(x, add(chain(x), x, chain(x)))


def a_layer_in_two_models():
    """And outside of them: its gradients are added, its weights counted once."""
    shared, x, y, z = dense(3, "shared"), value(3), value(3), value(3)
    one = Model(x, dense(3, "d1")(shared(x)), name="one")
    other = Model(y, dense(3, "d2")(shared(y)), name="other")
    return Model(z, add(one(z), other(z), shared(z)))


def images():
    x = Input((5, 4, 2), dtype="float64")
    conv = layers.Conv2D(2, 3, padding="same", activation="elu", dtype="float64")
    norm = layers.BatchNormalization(dtype="float64")
    y = add(norm(conv(x)), x, norm(conv(conv(x))))
    pooled = layers.GlobalAveragePooling2D(dtype="float64")(y)
    return Model(x, [layers.Dropout(0.3, dtype="float64")(pooled), y])


GRAPHS = [
    siamese, two_by_two, diamond, one_value_twice, in_a_row, inner_outputs, an_input_as_output,
    a_model_twice, two_outputs_inside, one_output_unused, in_sequential, sequential_inside, images,
    a_layer_in_two_models,
]  # fmt: skip


@pytest.mark.parametrize("backend", tinyconv.available_backends())
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_gradients(make, training, backend):
    with tinyconv.use_backend(backend):
        model = make()
        x = inputs_of(model, 3)
        assert_gradients(model, x if len(x) > 1 else x[0], training=training)


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_the_shapes_are_known_beforehand(make):
    model = make()
    x = inputs_of(model, 3)
    y = model(x if len(x) > 1 else x[0])
    outputs = y if isinstance(y, list) else [y]
    assert [(None, *array.shape[1:]) for array in outputs] == model.output_shapes
    shapes = [array.shape for array in x]
    made = model.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    assert (made if len(outputs) > 1 else [made]) == [array.shape for array in outputs]


@pytest.mark.parametrize("make", GRAPHS, ids=lambda make: make.__name__)
def test_threads_share_a_model(make):
    model = make()
    batches = [inputs_of(model, 4, seed) for seed in range(6)]
    batches = [x if len(x) > 1 else x[0] for x in batches]
    alone = [model.predict(x, verbose=0) for x in batches]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda x: model.predict(x, verbose=0), batches * 3))
    for y, wanted in zip(together, alone * 3, strict=True):
        for mine, other in zip(y, wanted, strict=True):
            np.testing.assert_array_equal(mine, other)


# ---- parts of models --------------------------------------------------------------


def test_a_model_cut_at_an_inner_layer():
    whole = randomize(two_by_two())
    x = inputs_of(whole)
    part = Model(whole.inputs, whole.get_layer("both").output)
    flat = whole.get_layer("flat")(whole.get_layer("conv")(x[0]))
    np.testing.assert_array_equal(part(x), np.concatenate([flat, x[1]], axis=1))
    assert [w.path for w in part.weights] == ["conv/kernel", "conv/bias"]
    only = Model(whole.inputs[0], whole.get_layer("flat").output)
    np.testing.assert_array_equal(only(x[0]), flat)


def test_the_parts_share_their_weights():
    whole = randomize(siamese())
    part = Model(whole.inputs, whole.get_layer("add").output)
    before = part(inputs_of(whole))
    whole.get_layer("shared").params["kernel"][...] *= 2
    assert not np.array_equal(part(inputs_of(whole)), before)
    part.compile("sgd", "mse")
    kernel = whole.get_layer("shared").params["kernel"].copy()
    part.fit(inputs_of(whole), np.ones((5, 4)), verbose=0)
    assert not np.array_equal(whole.get_layer("shared").params["kernel"], kernel)


def test_a_model_that_starts_inside_another():
    whole = randomize(siamese())
    tail = Model(whole.get_layer("add").output, whole.output)
    h = RNG.standard_normal((5, 4))
    np.testing.assert_array_equal(tail(h), whole.get_layer("top")(h))
    head = Model(whole.inputs, whole.get_layer("add").output)
    x = inputs_of(whole)
    np.testing.assert_array_equal(tail(head(x)), whole(x))
    assert [type(layer).__name__ for layer in tail.layers] == ["InputLayer", "Dense"]


def test_an_input_that_is_not_used():
    x, unused = value(3), value(2)
    model = Model([x, unused], dense(2)(x))
    y = model([np.ones((2, 3)), np.ones((2, 2))])
    np.testing.assert_array_equal(y, model([np.ones((2, 3)), np.zeros((2, 2))]))
    _, cache = model.forward([np.ones((2, 3)), np.ones((2, 2))], training=True)
    dx, _ = model.backward(np.ones((2, 2)), cache)
    assert dx[0].shape == (2, 3)
    assert dx[1] is None


def test_an_input_may_be_an_output():
    model = an_input_as_output()
    x = RNG.standard_normal((4, 3))
    _, same = model(x)
    np.testing.assert_array_equal(same, x)


def test_one_model_in_two_others():
    inner = randomize(siamese())
    x, z = value(3), value(3)
    one, other = Model(x, inner([x, x])), Sequential([z, Model(z, inner([z, z]))])
    a = RNG.standard_normal((4, 3))
    np.testing.assert_array_equal(one(a), other(a))
    np.testing.assert_array_equal(one(a), inner([a, a]))
    assert len(inner.nodes) == 2


def test_a_layer_in_two_models_is_one():
    model = a_layer_in_two_models()
    assert [w.path for w in model.weights] == [
        "one/shared/kernel", "one/shared/bias", "one/d1/kernel", "one/d1/bias",
        "other/d2/kernel", "other/d2/bias",
    ]  # fmt: skip
    assert model.count_params() == 36
    model.compile("sgd", "mse")
    x, y = RNG.standard_normal((2, 5, 3))
    before = model.get_weights()
    (p,), tape = model.forward_for_loss([x], True, [False])
    grads = model.backward_from_loss([2 * (p - y) / y.size], tape)
    model.train_on_batch(x, y)
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_allclose(weight.numpy(), old - 0.01 * grads[weight.path], rtol=1e-10)


def test_a_deep_graph():
    """No recursion from layer to layer."""
    x = y = value(2)
    for _ in range(2000):
        y = layers.Rescaling(1.0, dtype="float64")(y)
    model = Model(x, add(x, y))
    np.testing.assert_array_equal(model(np.ones((1, 2))), np.full((1, 2), 2.0))


# ---- modes ------------------------------------------------------------------------


def test_the_mode_of_a_call_stays():
    x = value(3)
    drop = layers.Dropout(0.5, dtype="float64")
    model = Model(x, [drop(x), drop(x, training=False), drop(x, training=True)])
    ones = np.ones((50, 3))
    free, never, always = model.forward(ones, training=True)[0]
    assert free.min() == always.min() == 0
    np.testing.assert_array_equal(never, ones)
    free, never, always = model(ones)
    np.testing.assert_array_equal(free, ones)
    np.testing.assert_array_equal(never, ones)
    assert always.min() == 0


def test_a_base_called_with_training_false_keeps_its_statistics():
    base = Sequential([value(3), layers.BatchNormalization(dtype="float64")])
    x = value(3)
    model = Model(x, dense(1)(base(x, training=False)))
    model.compile("sgd", "mse")
    statistics = base.layers[0].state["moving_mean"].copy()
    gamma = base.layers[0].params["gamma"].copy()
    model.fit(3 + RNG.standard_normal((8, 3)), np.ones((8, 1)), verbose=0)
    np.testing.assert_array_equal(base.layers[0].state["moving_mean"], statistics)
    assert not np.array_equal(base.layers[0].params["gamma"], gamma), "it is trained all the same"
