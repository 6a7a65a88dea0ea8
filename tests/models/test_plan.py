"""The plan: which layers are computed together, and when a new one is made."""

import numpy as np
import pytest

import tinyconv
from tests.models.planned import conv, dense, flat, made, mixed, norm, planned, pool, relu
from tinyconv import Input, Model, config, layers
from tinyconv.models.inference_blocks import Folded

RNG = np.random.default_rng(8)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (lambda: [conv()], ["conv_block: conv"]),
        (lambda: [conv(activation="relu"), pool()], ["conv_block: conv pool"]),
        (lambda: [conv(), relu(), pool()], ["conv_block: conv relu pool"]),
        (lambda: [conv(), pool(), relu()], ["conv_block: conv pool", "alone: relu"]),
        (
            lambda: [conv(activation="tanh"), relu(), pool()],
            ["conv_block: conv", "alone: relu", "alone: pool"],
        ),
        (
            lambda: [conv(), layers.Activation("gelu", name="gelu", dtype="float64")],
            ["conv_block: conv gelu"],
        ),
        (lambda: [conv(), norm()], ["conv_block: conv", "alone: norm"]),
        (
            lambda: [conv(), norm(), relu(), pool()],
            ["conv_block: conv", "batch_norm_block: norm relu", "alone: pool"],
        ),
        (lambda: [flat(), dense(), relu()], ["alone: flat", "dense_block: dense relu"]),
        (
            lambda: [dense(), pool(), relu()],
            ["dense_block: dense", "alone: pool", "alone: relu"],
        ),
    ],
)  # fmt: skip
def test_what_goes_together_in_training(parts, expected):
    assert [": ".join(block) for block in planned(made(*parts()))] == expected


def test_a_constant_normalisation_is_folded_where_nothing_is_kept():
    model = made(conv(), norm(), relu(), pool(), flat(), dense())
    folded = [("conv_block", "conv norm relu pool"), ("alone", "flat"), ("dense_block", "dense")]
    assert planned(model, training=False, needed=None) == folded
    work = model.graph.plan(False).work
    assert [isinstance(each.block, Folded) for each in work] == [True, False, False]
    apart = [("conv_block", "conv"), ("batch_norm_block", "norm relu"), ("alone", "pool")]
    assert planned(model, training=False)[:3] == apart, "the tape needs them"
    assert planned(model, training=True, needed=None)[:3] == apart, "the batch's statistics"
    config.set_batch_norm_folding(False)
    assert planned(model, training=False, needed=None)[:3] == apart


def test_a_sum_goes_together_with_its_relu():
    x = Input((8, 8, 2), dtype="float64")
    y = layers.Add(name="add", dtype="float64")([x, conv(2, padding="same")(x)])
    model = Model(x, flat()(relu()(y)))
    blocks = [("conv_block", "conv"), ("add_block", "add relu"), ("alone", "flat")]
    assert planned(model, training=True) == blocks
    together = [("conv_add", "conv add relu"), ("alone", "flat")]
    assert planned(model, training=False, needed=None) == together


def branch(name="conv", **named):
    return conv(2, padding="same", name=name, **named)


def two_convolutions():
    """The second branch is computed last, so it takes the first along."""
    x = Input((8, 8, 2), dtype="float64")
    a, b = branch("a")(x), branch("b")(x)
    return mixed(Model(x, relu()(layers.Add(name="add", dtype="float64")([a, b]))))


def normalised():
    x = Input((8, 8, 2), dtype="float64")
    y = norm()(branch()(x))
    return mixed(Model(x, layers.Add(name="add", dtype="float64")([y, x])))


def other_way_round():
    """The other branch is there after the convolution only."""
    x = Input((8, 8, 2), dtype="float64")
    y = branch()(x)
    late = layers.Activation("tanh", name="tanh", dtype="float64")(x)
    return mixed(Model(x, relu()(layers.Add(name="add", dtype="float64")([y, late]))))


def of_three():
    x = Input((8, 8, 2), dtype="float64")
    return mixed(Model(x, layers.Add(name="add", dtype="float64")([x, branch()(x), x])))


def activated():
    x = Input((8, 8, 2), dtype="float64")
    y = branch(activation="relu")(x)
    return mixed(Model(x, layers.Add(name="add", dtype="float64")([x, y])))


@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        (two_convolutions, [("conv_block", "a"), ("conv_add", "b add relu")]),
        (normalised, [("conv_add", "conv norm add")]),
        (other_way_round, [("conv_block", "conv"), ("alone", "tanh"), ("add_block", "add relu")]),
        (of_three, [("conv_block", "conv"), ("alone", "add")]),
        (activated, [("conv_block", "conv"), ("alone", "add")]),
    ],
)
def test_a_sum_goes_with_the_convolution_before_it_where_nothing_is_kept(model, blocks):
    assert planned(model(), training=False, needed=None) == blocks


class OtherConv(layers.Conv2D):
    """The very same, but who knows."""


def used_twice():
    x = Input((8, 8, 2), dtype="float64")
    y = conv()(x)
    return Model(x, layers.Add(name="add", dtype="float64")([relu()(y), y]))


def an_output():
    x = Input((8, 8, 2), dtype="float64")
    y = conv()(x)
    return Model(x, [y, relu()(y)])


def replaced():
    model = made(conv(), relu())
    layer = model.layers[1]
    layer.forward = type(layer).forward.__get__(layer)
    return model


@pytest.mark.parametrize(
    ("model", "first"),
    [
        (used_twice, "conv_block"),
        (an_output, "conv_block"),
        (replaced, "conv_block"),
        (lambda: made(OtherConv(3, 3, name="conv", dtype="float64"), relu()), "alone"),
        (lambda: made(conv(), relu(dtype="float32")), "conv_block"),
        (lambda: made(conv(), layers.Softmax(name="relu", dtype="float64")), "conv_block"),
    ],
    ids=["used twice", "an output", "a method replaced", "a subclass", "a dtype", "Softmax"],
)
def test_what_stays_apart(model, first):
    assert planned(model())[:2] == [(first, "conv"), ("alone", "relu")]


def test_layer_by_layer_when_it_is_switched_off():
    model = made(conv(), norm(), relu(), pool())
    config.set_planning(False)
    for training, needed in ((True, True), (False, None)):
        names = ["conv", "norm", "relu", "pool"]
        assert planned(model, training, needed) == [("alone", name) for name in names]


def test_a_plan_is_made_once_and_again_when_something_changes():
    model = made(conv(), norm(), relu(), flat(), dense())
    graph = model.graph
    first = graph.plan(True, [False], [False])
    assert graph.plan(True, [False], [False]) is first
    assert graph.plan(False) is graph.plan(False)
    model.layers[0].trainable = model.layers[1].trainable = False
    frozen = graph.plan(True, [False], [False])
    assert isinstance(frozen.work[0].block, Folded)
    model.layers[1].trainable = True
    assert not isinstance(graph.plan(True, [False], [False]).work[0].block, Folded)
    model.layers[0].trainable = True
    assert graph.plan(True, [False], [False]) is first
    for _ in range(20):
        model.layers[0].activation = tinyconv.layers.Activation("relu").activation
        graph.plan(True, [False], [False])
    assert len(graph._plans) <= 8


def test_an_activation_that_is_exchanged_takes_effect_at_once(backend):
    model = made(conv(), pool())
    x = RNG.standard_normal((2, 8, 8, 2))
    plain = model(x)
    model.layers[0].activation = layers.Activation("tanh").activation
    np.testing.assert_allclose(model(x), np.tanh(plain), rtol=1e-12)
