"""Models that are parts of others, or share layers with them; and the mode of a call."""

import numpy as np

from tests.models.graph_kinds import a_layer_in_two_models, an_input_as_output
from tests.models.graphs import RNG, add, dense, inputs_of, randomize, siamese, two_by_two, value
from tinyconv import Model, Sequential, layers

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
