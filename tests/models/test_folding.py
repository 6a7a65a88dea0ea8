"""BatchNormalization folded for inference: the same numbers, and when it is not done."""

import itertools
import threading

import numpy as np
import pytest

import tinyconv
from tests.models.graphs import randomize
from tinyconv import Input, Model, Sequential, layers
from tinyconv.models import folding
from tinyconv.models.inference_blocks import Folded

RNG = np.random.default_rng(2)


@pytest.fixture
def folds(monkeypatch):
    """The names of the layers of each fold that was computed, with the activation or None."""
    done, forward, fold = [], Folded.forward, folding.fold
    now = threading.local()

    def spy(block, x):
        now.block = block
        return forward(block, x)

    def spy_fold(affine, norm):
        behind = [c.layer.name for c in now.block.calls[2:] if c.layer.name == "act" and not c.bare]
        done.append((affine.name, norm.name, *(behind or [None])))
        return fold(affine, norm)

    monkeypatch.setattr(Folded, "forward", spy)
    monkeypatch.setattr(folding, "fold", spy_fold)
    return done


def conv(filters=4, size=3, dtype="float64", **named):
    return layers.Conv2D(filters, size, name="conv", dtype=dtype, **named)


def norm(dtype="float64", **named):
    return layers.BatchNormalization(name="norm", dtype=dtype, **named)


def act(function="relu", dtype="float64"):
    return layers.Activation(function, name="act", dtype=dtype)


def made(*parts, shape=(9, 9, 3), dtype="float64"):
    return randomize(Sequential([Input(shape, dtype=dtype), *parts]), seed=4)


def both_ways(model, x, training=False):
    """With folding, and layer by layer."""
    folded = model(x, training=training)
    tinyconv.config.set_batch_norm_folding(False)
    plain = model(x, training=training)
    tinyconv.config.set_batch_norm_folding(True)
    return folded, plain


ARRANGEMENTS = {
    "bias": ([conv(), norm()], None),
    "no bias": ([conv(use_bias=False), norm(), act()], "act"),
    "strides": ([conv(strides=2, padding="same"), norm(), act("tanh")], "act"),
    "dilation": ([conv(dilation_rate=2), norm(), act("gelu")], "act"),
    "pointwise": ([conv(size=1), norm(), act("softmax")], "act"),
    "no gamma": ([conv(), norm(scale=False), act()], "act"),
    "no beta": ([conv(), norm(center=False), act()], "act"),
    "nothing": ([conv(use_bias=False), norm(center=False, scale=False)], None),
    "groups": ([conv(filters=6, groups=3), norm(), act()], "act"),
    "ReLU": ([conv(), norm(), layers.ReLU(max_value=6.0, name="act", dtype="float64")], "act"),
    "pooling": ([conv(), norm(), layers.MaxPooling2D(dtype="float64"), act()], None),
}


@pytest.mark.parametrize("name", ARRANGEMENTS)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_convolutions(name, backend, folds):
    parts, activation = ARRANGEMENTS[name]
    with tinyconv.use_backend(backend):
        model = made(*[type(part).from_config(part.get_config()) for part in parts])
        x = RNG.standard_normal((5, 9, 9, 3))
        folded, plain = both_ways(model, x)
        assert folds == [("conv", "norm", activation)]
        np.testing.assert_allclose(folded, plain, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(model.predict(x, verbose=0), folded)


@pytest.mark.parametrize("shape", [(6,), (5, 6)])
def test_dense(shape, folds):
    model = made(layers.Dense(4, name="dense", dtype="float64"), norm(), act(), shape=shape)
    folded, plain = both_ways(model, RNG.standard_normal((7, *shape)))
    assert folds == [("dense", "norm", "act")]
    np.testing.assert_allclose(folded, plain, rtol=1e-12, atol=1e-12)


def test_float32_to_rounding():
    """No further from the float64 result than the numbers that are summed up allow."""
    single = made(conv(dtype="float32"), norm("float32"), dtype="float32")
    double = made(conv(), norm())
    double.set_weights(single.get_weights())
    x = RNG.standard_normal((5, 9, 9, 3)).astype("float32")
    folded, plain = both_ways(single, x)
    exact = double(x.astype("float64"))
    kernel, bias, gamma, beta, mean, variance = double.get_weights()
    sizes = Sequential([Input((9, 9, 3), dtype="float64"), conv()])
    sizes.set_weights([np.abs(kernel), np.abs(bias)])
    g = gamma / np.sqrt(variance + 1e-3)
    largest = (sizes(np.abs(x.astype("float64"))) + np.abs(mean)) * g + np.abs(beta)
    terms = 27 + 4
    for y in (folded, plain):
        assert y.dtype == np.float32
        assert (np.abs(y - exact) <= terms * np.finfo("float32").eps * largest).all()


def test_weights_may_change_at_any_time():
    model = made(conv(), norm(), act())
    x = RNG.standard_normal((4, 9, 9, 3))
    model(x)
    changes = [
        lambda: model.set_weights([w + 0.1 for w in model.get_weights()]),
        lambda: model.layers[1].state["moving_variance"].__imul__(2),
        lambda: model.layers[0].params["kernel"].__iadd__(0.5),
        lambda: model(x, training=True),
    ]
    seen = []
    for change in changes:
        change()
        folded, plain = both_ways(model, x)
        np.testing.assert_allclose(folded, plain, rtol=1e-12, atol=1e-12)
        seen.append(folded)
    assert not any(np.allclose(a, b) for a, b in itertools.pairwise(seen))


def test_the_last_activation_may_be_the_loss_own(folds):
    model = made(layers.Dense(3, name="dense", dtype="float64"), norm(), act("softmax"), shape=(4,))
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = RNG.standard_normal((6, 4)), RNG.integers(0, 3, 6)
    folded = model.evaluate(x, y, verbose=0)
    assert folds == [("dense", "norm", None)]
    tinyconv.config.set_batch_norm_folding(False)
    assert folded == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-12)


# ---- where nothing is folded ----------------------------------------------------


class OtherConv(layers.Conv2D):
    def forward(self, x, training=False):
        y, cache = super().forward(x, training)
        return 2 * y, cache


def used_twice():
    x = Input((9, 9, 3), dtype="float64")
    y = conv(padding="same", filters=3)(x)
    return Model(x, layers.Add(dtype="float64")([norm()(y), y]))


def an_output():
    x = Input((9, 9, 3), dtype="float64")
    y = conv()(x)
    return Model(x, [y, norm()(y)])


NOT_FOLDED = {
    "an activation between": lambda: made(conv(activation="relu"), norm()),
    "used twice": lambda: randomize(used_twice()),
    "an output": lambda: randomize(an_output()),
    "another class": lambda: made(OtherConv(4, 3, dtype="float64"), norm()),
    "another dtype": lambda: made(conv(dtype="float32"), norm(), dtype="float32"),
    "a large kernel": lambda: made(conv(filters=4, size=9), norm()),
    "no affine layer": lambda: made(layers.MaxPooling2D(dtype="float64"), norm()),
}


@pytest.mark.parametrize("name", NOT_FOLDED)
def test_not_folded(name, folds):
    model = NOT_FOLDED[name]()
    folded, plain = both_ways(model, RNG.standard_normal((2, 9, 9, 3)))
    assert folds == []
    for a, b in zip(folded, plain, strict=True):
        np.testing.assert_array_equal(a, b)


def test_whether_a_large_kernel_is_folded_depends_on_the_batch(folds):
    model = made(conv(filters=4, size=5), norm())  # 300 numbers, 100 a sample
    for samples in (2, 3):
        both_ways(model, RNG.standard_normal((samples, 9, 9, 3)))
    assert len(folds) == 1


def test_another_taker_of_the_normalized_values(folds):
    x = Input((9, 9, 3), dtype="float64")
    y = norm()(conv()(x))
    model = randomize(Model(x, layers.Add(dtype="float64")([act()(y), y])))
    folded, plain = both_ways(model, RNG.standard_normal((3, 9, 9, 3)))
    assert folds == [("conv", "norm", None)]
    np.testing.assert_allclose(folded, plain, rtol=1e-12, atol=1e-12)


# ---- training -------------------------------------------------------------------


def test_in_training_only_where_it_is_frozen(folds):
    x = RNG.standard_normal((4, 9, 9, 3))
    model = made(conv(), norm(), act(), layers.Flatten(), layers.Dense(2, dtype="float64"))
    model.forward(x, training=True)
    model.forward(x, training=False)  # keeps caches for a way back
    model(x, training=True)
    assert folds == []
    for layer in model.layers[:3]:
        layer.trainable = False
    weights = model.get_weights()
    gradients = []
    for on in (True, False):
        tinyconv.config.set_batch_norm_folding(on)
        model.set_weights(weights)
        model.compile("sgd", "mse")
        model.train_on_batch(x, np.ones((4, 2)))
        gradients.append(model.get_weights())
    assert folds == [("conv", "norm", "act")]
    for a, b, before in zip(*gradients, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert (a.shape in [(196, 2), (2,)]) == (not np.array_equal(a, before))


# ---- kept ---------------------------------------------------------------------------


def write(name):
    """Changes one of the numbers that go into a folded kernel."""

    def change(model):
        affine, normalisation = model.layers[:2]
        if name == "epsilon":
            normalisation.epsilon = 0.5
        else:
            owner = {"kernel": affine.params, "bias": affine.params, "gamma": normalisation.params}
            array = owner.get(name, normalisation.state)[name]
            array.flat[array.size - 1] += 1

    return change


NUMBERS = ["kernel", "bias", "gamma", "moving_mean", "moving_variance", "epsilon"]


def test_a_kernel_is_folded_once_while_nothing_changes(folds):
    with tinyconv.use_backend("numba"):
        model, x = made(conv(), norm(), act()), RNG.normal(size=(2, 9, 9, 3))
        first = model(x)
        for _ in range(3):
            np.testing.assert_array_equal(model(x), first)
        assert len(folds) == 1


@pytest.mark.parametrize("name", NUMBERS)
def test_a_changed_number_is_noticed(folds, name):
    with tinyconv.use_backend("numba"):
        model, x = made(conv(), norm(), act()), RNG.normal(size=(2, 9, 9, 3))
        before = model(x)
        write(name)(model)
        folded, plain = both_ways(model, x)
        np.testing.assert_allclose(folded, plain, atol=1e-12)
        assert len(folds) == 2
        assert not np.array_equal(folded, before)


def test_the_textbook_folds_for_each_call(folds):
    with tinyconv.use_backend("numpy"):
        model, x = made(conv(), norm()), RNG.normal(size=(2, 9, 9, 3))
        assert np.array_equal(model(x), model(x))
        assert len(folds) == 2
